"""Add job, step, attempt, queue and worker to every log line of a step."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import structlog
from celery import signals

from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.jobs.workers import worker_id

#: The application of the step that runs in this context, and its request as Celery has it.
_running: ContextVar[tuple[Any, Any] | None] = ContextVar("running", default=None)


class NamesStep(logging.Filter):
    """Adds to each line which step it is about: the one that runs, or one that Celery's own line names."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Pass every line on."""
        bound = getattr(record, "bound", {})
        named = getattr(record, "data", None)
        if isinstance(named, Mapping):
            with contextlib.suppress(ValueError):
                bound = parts(Ticket.parse(str(named.get("id"))))
        if (running := _running.get()) is not None:
            # An error here would come out of the line that a step writes.
            with contextlib.suppress(ValueError):
                bound = {**_about(*running), **bound}
        record.bound = bound
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


def _bind(task: Any, **_: Any) -> None:
    # The fields are built only when a line is written.
    _running.set((task.app, task.request))


def _unbind(**_: Any) -> None:
    _running.set(None)
    # What a step has bound itself is not meant for the next one.
    structlog.contextvars.clear_contextvars()


def _about(app: Any, request: Any) -> dict[str, Any]:
    queue = (request.delivery_info or {}).get("routing_key", "")
    worker = worker_id(request.hostname, app.parent_pid, app.worker_token)
    return {**parts(Ticket.parse(request.id)), "queue": queue, "worker": worker}
