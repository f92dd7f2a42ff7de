"""What the engine needs of the request for a step; Celery's own has it in `workers.request`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hms_oms.jobs.records import Claimed
from hms_oms.jobs.tickets import Ticket
from workers.claiming.continuing import Following
from workers.claiming.ledger_session import LedgerSession


class HandledStep(Protocol):
    """A step that was received, and then claimed, begun and reported."""

    id: str
    #: Since when it waits for a slot, by the monotonic clock.
    ready_at: float
    #: Since when it is claimed, by the same clock: when its claim was sent.
    granted_at: float
    #: Which process has said that it runs it.
    worker_pid: int | None

    @property
    def ticket(self) -> Ticket:
        """The ticket that its message carried."""

    @property
    def limit(self) -> float:
        """The time limit of the step, in seconds."""

    @property
    def soft_limit(self) -> float | None:
        """When the step is warned of its end, in seconds; None: not at all."""

    @property
    def granted(self) -> Claimed:
        """The claim, once there is one."""

    @property
    def root_id(self) -> Any:
        """The first task of the chain."""

    def revoked(self) -> bool:
        """Whether Celery has been told not to run it; then it is done with."""

    def announce(self) -> None:
        """Tell that it was received."""

    def grant(self, claimed: Claimed, sent_at: float) -> None:
        """Give the step its claim, which was sent for then, by the monotonic clock."""

    def run_here(self) -> None:
        """Run the step in this thread."""

    def send_to(self, pool: Any, chunk: Any, steps: Sequence[Any]) -> bool:
        """Have a child of the pool run a chunk of steps, of which this is the first; whether one is to."""

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """The step begins in a child, at this time by the monotonic clock."""

    def on_success(self, failed__retval__runtime: Any) -> None:
        """The step has ended, well or badly."""

    def on_failure(self, exc_info: Any) -> Any:
        """The child has died that ran the step, or was ended."""

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        """The step has run past its time limit."""

    def follow(self, following: Following) -> HandledStep:
        """The request for the next step, which is claimed."""

    def succeeded(self, traced: tuple[int, Any, float]) -> None:
        """Tell that the step was recorded as done."""

    def ignore(self) -> None:
        """Be done with a message that the ledger does not want run, or not by us any more."""

    def refused(self, error: Exception, session: LedgerSession) -> None:
        """Report that the ledger cannot keep what the step has returned."""

    def give_back(self, why: str) -> None:
        """Have the step, which has not begun, taken back."""
