"""Add job, step, attempt, queue and worker to every log line of a step."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import Any

import structlog
from celery import signals

from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.jobs.workers import worker_id


class NamesStep(logging.Filter):
    """Adds to Celery's own lines about a task, which name it in their data, which step that is."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every line on."""
        named = getattr(record, "data", None)
        if isinstance(named, Mapping):
            with contextlib.suppress(ValueError):
                record.bound = parts(Ticket.parse(str(named.get("id"))))
        return True


def install() -> None:
    """Bind the step of each task of this process while it runs."""
    # By Celery's signals, since its own line on a failure is written after the task has returned.
    signals.task_prerun.connect(_bind, weak=False)
    signals.task_postrun.connect(_unbind, weak=False)
    # Steps may log by structlog, too: their lines take the same way as all others.
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def parts(ticket: Ticket) -> dict[str, Any]:
    """What a ticket says, as fields of a line."""
    return {"job": job_name(ticket.job), "step": ticket.step, "attempt": ticket.attempt}


def _bind(task_id: str, task: Any, **_: Any) -> None:
    request = task.request
    worker = worker_id(request.hostname, task.app.parent_pid, task.app.worker_token)
    queue = (request.delivery_info or {}).get("routing_key", "")
    structlog.contextvars.bind_contextvars(**parts(Ticket.parse(task_id)), queue=queue, worker=worker)


def _unbind(**_: Any) -> None:
    structlog.contextvars.clear_contextvars()
