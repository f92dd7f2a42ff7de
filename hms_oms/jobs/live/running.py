"""What a step says of itself while it runs, and what it may ask; the writer of progress in oms.jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.database.plain_text import plain
from hms_oms.jobs.tickets import Ticket

#: The longest note that is kept with a step's progress, in characters.
MOST_NOTE = 200


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a step is: its share from 0 to 1, and a note for people."""

    share: float
    note: str = ""

    @classmethod
    def of(cls, share: float, note: str) -> StepProgress:
        """Progress as it is kept. Raises ValueError for a share that is not from 0 to 1."""
        # A sum of many shares may be a little above 1.
        rounded = round(float(share), 4)
        if not 0 <= rounded <= 1:
            raise ValueError(f"progress is a share from 0 to 1, not {share!r}")
        return cls(rounded, plain(" ".join(note.split()))[:MOST_NOTE])


def note_progress(connection: RawConnection, reports: Mapping[Ticket, StepProgress]) -> None:
    """Keep how far running steps are; a step that the ledger has given up keeps nothing."""
    statements.run_raw(
        connection,
        "progress",
        {
            "jobs": [ticket.job for ticket in reports],
            "attempts": [ticket.attempt for ticket in reports],
            "steps": [ticket.step for ticket in reports],
            "shares": [report.share for report in reports.values()],
            "notes": [report.note for report in reports.values()],
        },
    )


def is_to_end(connection: RawConnection, ticket: Ticket) -> bool:
    """Whether a running step works for nothing: its job is to be cancelled, or belongs to another attempt."""
    rows = statements.run_raw(
        connection, "begun", {"job": ticket.job, "attempt": ticket.attempt, "step": ticket.step}
    )
    return not rows or rows[0]["cancel_by"] is not None
