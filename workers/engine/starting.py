"""Starts the engine of a worker whose pool is one that it knows."""

from __future__ import annotations

import os
from typing import Any

from hms_oms.jobs import workers
from workers.claiming import continuing
from workers.claiming.ledger_session import ledger_session
from workers.engine import engine
from workers.engine.prefetch import Prefetch
from workers.engine.prefork_runner import PreforkRunner
from workers.engine.runners import Runner, SoloRunner, ThreadRunner

#: The runners by the modules of Celery's pools.
_RUNNERS: dict[str, type[Runner]] = {
    "celery.concurrency.prefork": PreforkRunner,
    "celery.concurrency.solo": SoloRunner,
    "celery.concurrency.thread": ThreadRunner,
}


def start(consumer: Any) -> None:
    """Have the steps of this worker claimed and reported by an engine; in other pools each does it itself."""
    runner = _runner(consumer)
    if runner is None:
        return
    app = consumer.app
    worker = workers.worker_id(consumer.hostname, os.getpid(), app.worker_token)
    session = ledger_session(app.settings.servers()[0], worker, parent_pid=os.getpid())
    engine.begin(app, session, runner, Prefetch(consumer))
    continuing.begin()


def _runner(consumer: Any) -> Runner | None:
    kind = _RUNNERS.get(type(consumer.pool).__module__)
    return kind(consumer) if kind is not None and consumer.hub is not None else None
