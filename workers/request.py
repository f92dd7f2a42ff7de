"""The parent's view of a step that runs in a pool child: it notices when the child dies or hangs."""

from __future__ import annotations

from typing import Any

from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import Terminated, WorkerLostError
from celery.worker.request import Request

from hms_oms.jobs.tickets import Ticket
from workers import presence


class StepRequest(Request):
    """A request whose loss is reported to the ledger at once, by the parent."""

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """The pool says that the task ended badly; where its process died, the step is taken back."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        # Billiard may report the exit of the child as the SystemExit that it raised there.
        if isinstance(error, WorkerLostError | Terminated | SystemExit):
            presence.report_lost(Ticket.parse(self.id), "the worker's process died")
        return super().on_failure(exc_info, *args, **options)

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        """The pool has ended a step that ran past its time limit."""
        if not soft:
            presence.report_overrun(Ticket.parse(self.id), timeout)
        return super().on_timeout(soft, timeout)
