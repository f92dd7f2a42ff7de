"""Losses: takes back a step whose worker or message is gone, and charges a step that ends its workers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Literal

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.tickets import Ticket

log = logging.getLogger(__name__)

#: This many workers lost in the same step, and the job fails instead of taking another with it.
POISON = 3
#: A step that was lost with others this often is charged as if it had run alone.
MOST_SUSPICIONS = 6

#: Who a loss is charged to: the step itself, or the one step that the lost worker ran, or nobody.
Blame = Literal["step", "worker", "none"]


def lose(connection: RawConnection, tickets: Iterable[Ticket], reason: str, *, blame: Blame = "step") -> int:
    """Take back the jobs that these tickets were good for; return how many that were.

    With `blame` "step" each counts as a worker lost in its step, and the third one fails its job. With
    "worker" that is so only for a step that its worker ran alone, once for each worker; steps that ran side
    by side become suspects, and run alone from then on.
    """
    lost = list(tickets)
    if not lost:
        return 0
    rows = statements.run_raw(
        connection,
        "lose",
        {
            "jobs": [ticket.job for ticket in lost],
            "attempts": [ticket.attempt for ticket in lost],
            "steps": [ticket.step for ticket in lost],
            "poison": POISON,
            "blame": blame,
            "most_suspicions": MOST_SUSPICIONS,
            "reason": reason,
        },
    )
    if rows:
        log.warning("recovery: %d jobs taken back: %s", len(rows), reason)
    return len(rows)
