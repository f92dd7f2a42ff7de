"""Signs of life that only the database can tell: its clock and version, who leads, what is unsent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.database import statements


@dataclass(frozen=True, slots=True)
class Leader:
    """A process that leads as `daemon` now, in its `term`; it was last heard of at `renewed_at`."""

    daemon: str
    term: int
    host: str
    pid: int
    since: datetime
    renewed_at: datetime


def clock(connection: Connection) -> datetime:
    """What time the ledger has: deadlines are judged by this clock and no other."""
    now = connection.scalar(text("select oms.now()"))
    assert isinstance(now, datetime)
    return now


def server_version(connection: Connection) -> str:
    """The version of PostgreSQL, as it tells it."""
    return str(connection.scalar(text("select current_setting('server_version')"))).split()[0]


def leaders(connection: Connection) -> Sequence[Leader]:
    """Who leads now: the leases that have not run out."""
    rows = connection.execute(
        text(
            "select duty as daemon, term, host, pid, since, renewed_at from oms.leaders"
            " where expires_at > clock_timestamp() order by duty"
        )
    )
    return [Leader(**row) for row in rows.mappings()]


def unsent_texts(connection: Connection) -> tuple[int, datetime | None]:
    """How many texts could have left the outbox and have not, and since when they stand still there."""
    (row,) = statements.run(connection, "unsent", {})
    return row["number"], row["since"]
