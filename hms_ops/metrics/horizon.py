"""The horizon of PostgreSQL: what keeps dead rows from being removed, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from hms_ops.forecast.snapshot import HorizonHolder
from hms_ops.statements import statement


class Held(NamedTuple):
    """One row of measure_horizon.sql."""

    kind: str
    name: str
    program: str | None
    owner: str | None
    since: datetime | None
    horizon: str


class HorizonWatch:
    """Looks again and again: what does not tell since when has held since it was seen first."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], datetime] = {}

    def look(self, connection: Connection, now: datetime) -> HorizonHolder | None:
        """The one that holds the horizon furthest back at `now`; None if nothing does."""
        rows = connection.exec_driver_sql(statement("measure_horizon"))
        return self.oldest([Held(*row) for row in rows], now)

    def oldest(self, held: Sequence[Held], now: datetime) -> HorizonHolder | None:
        """The first of those that hold it, with the time since which it does."""
        before = self._seen
        self._seen = {
            (holder.kind, holder.name, holder.horizon): holder.since
            or before.get((holder.kind, holder.name, holder.horizon), now)
            for holder in held
        }
        for holder in held:
            since = self._seen[holder.kind, holder.name, holder.horizon]
            return HorizonHolder(holder.kind, holder.name, holder.program, holder.owner, since)
        return None
