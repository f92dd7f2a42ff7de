"""The dispatcher's last view of Redis; the writer of oms.broker_state.

The ledger knows the cause of a standstill even if Redis answers everybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.database.refusals import Refusal


@dataclass(frozen=True, slots=True)
class BrokerState:
    """The dispatcher's last report: its age in seconds, and since when Redis refuses (None: it does not)."""

    age: float
    refused_since: datetime | None = None
    kind: str | None = None
    words: str | None = None
    #: What the dispatcher cannot do, though the rest goes on.
    trouble: str | None = None

    @property
    def refusal(self) -> Refusal | None:
        """Why Redis refuses; None if it does not."""
        return Refusal(self.kind, self.words) if self.kind and self.words else None


def report(connection: RawConnection, refusal: Refusal | None, trouble: str | None = None) -> None:
    """Record that the dispatcher is at work, whether Redis takes what it publishes, and what fails."""
    parameters = {
        "kind": refusal and refusal.kind,
        "words": refusal and refusal.words,
        "trouble": trouble,
    }
    statements.run_raw(connection, "report_broker", parameters)


def read(connection: Connection) -> BrokerState | None:
    """The last report; None if there never was one."""
    row = connection.execute(
        text(
            # One of a later time is from before the clock was set back: not new, either.
            "select abs(extract(epoch from oms.now() - reported_at))::float8 as age,"
            " refused_since, kind, words, trouble from oms.broker_state"
        )
    )
    state = row.mappings().one_or_none()
    return BrokerState(**state) if state else None
