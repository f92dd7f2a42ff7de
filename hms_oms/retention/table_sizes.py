"""Sizes of the ledger's tables, the age of their oldest rows, and their growth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_oms.database import statements

#: The span over which growth is measured.
SPAN = timedelta(days=7)

#: By table: the number that its rows are given one after the other, which an index leads by, and their time.
_ORDERED = {
    "oms.jobs": ("id", "created_at"),
    "oms.job_events": ("job_id", "at"),
    "oms.messages": ("id", "created_at"),
    "oms.message_attempts": ("message_id", "started_at"),
    "oms.callbacks": ("id", "received_at"),
    "oms.replies": ("id", "received_at"),
    "oms.batches": ("id", "created_at"),
    "oms.audit": ("id", "at"),
    "ops.incidents": ("id", "active_at"),
    "ops.incident_events": ("incident_id", "at"),
    "ops.incident_jobs": ("incident_id", "noted_at"),
}


@dataclass(frozen=True, slots=True)
class TableSize:
    """The size of one table in bytes; `rows` and `dead` (not vacuumed yet) are estimates.

    `parts` is how many tables it is made of, if it is made of some: of the event log, one for each month.
    `oldest_at` and `rows_a_day`, over the last week, are None if rows have no number and time, or are none.
    """

    schema: str
    table: str
    rows: int
    heap: int
    indexes: int
    toast: int
    dead: int
    vacuumed_at: datetime | None
    parts: int | None = None
    oldest_at: datetime | None = None
    rows_a_day: float | None = None

    @property
    def name(self) -> str:
        """The table with its schema: `oms.jobs`."""
        return f"{self.schema}.{self.table}"

    @property
    def total(self) -> int:
        """All that the table takes on disk."""
        return self.heap + self.indexes + self.toast

    @property
    def bytes_a_day(self) -> float | None:
        """Growth, taking it that new rows are as large as the others."""
        if self.rows_a_day is None:
            return None
        return self.rows_a_day * self.total / self.rows if self.rows else 0.0


def read(connection: Connection, schemas: Sequence[str]) -> list[TableSize]:
    """The tables of these schemas, the largest first; takes milliseconds, however many rows there are."""
    now = connection.execute(text("select oms.now()")).scalar_one()
    rows = statements.run(connection, "table_sizes", {"schemas": list(schemas)})
    return [_dated(connection, TableSize(**row), now) for row in rows]


def _dated(connection: Connection, size: TableSize, now: datetime) -> TableSize:
    if size.name not in _ORDERED:
        return size
    column, time = _ORDERED[size.name]
    ends = connection.execute(text(f"select min({column}), max({column}) from {size.name}")).one()  # noqa: S608
    if ends[0] is None:
        return size
    first, last = int(ends[0]), int(ends[1])

    def at(number: int) -> datetime:
        query = f"select {time} from {size.name} where {column} >= :number order by {column} limit 1"  # noqa: S608
        moment: datetime = connection.execute(text(query), {"number": number}).scalar_one()
        return moment

    oldest = at(first)
    # Of a younger table nothing can be said of a whole day but what came so far.
    span = min(SPAN, max(now - oldest, timedelta(days=1)))
    recent = last - _first_since(at, first, last, now - span) + 1
    days = span / timedelta(days=1)
    share = recent / (last - first + 1)
    return replace(size, oldest_at=oldest, rows_a_day=size.rows * share / days)


def _first_since(at: Callable[[int], datetime], first: int, last: int, since: datetime) -> int:
    """The first number of a row since a moment, as numbers grow with time; one beyond the last if none is."""
    low, high = first, last + 1
    while low < high:
        middle = (low + high) // 2
        if at(middle) >= since:
            high = middle
        else:
            low = middle + 1
    return low
