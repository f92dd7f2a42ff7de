"""Months of the event log: made ahead, and dropped whole when nothing in them is needed any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from hms_oms.database import statements
from hms_oms.retention.rules import NEVER_BEFORE
from hms_oms.retention.walk import AT_END, Removed

#: Jobs that are looked at in one transaction.
LOOK = 5000
#: A month that somebody reads is tried again after so many seconds, and so often until the next day.
AGAIN_SECONDS, TRIES = 60.0, 5


@dataclass(frozen=True, slots=True)
class Added:
    """Months were added to the event log: how many lines moved into theirs, and how many have none still."""

    moved: int
    unplaced: int


def add(connection: Connection) -> Added:
    """Have the event log in months for a quarter of a year ahead."""
    [row] = statements.run(connection, "add_months", {})
    return Added(**row)


@dataclass(frozen=True, slots=True)
class Ahead:
    """Until when the event log has months: whether that is soon, and whether lines are later than that."""

    until: datetime
    are_short: bool
    has_later_lines: bool


def read(connection: Connection) -> Ahead:
    """How far the months of the event log go."""
    [row] = statements.run(connection, "months_ahead", {})
    return Ahead(**row)


@dataclass
class Months:
    """The removal of months in which no event log is kept any more; what a job keeps is passed over."""

    #: For how long event logs are kept at most; None: always, so that only empty months go.
    duration: timedelta | None
    _month: dict[str, Any] | None = None
    _after: int = 0
    _tries: int = 0
    _kept: list[str] = field(default_factory=list)

    def remove(self, connection: Connection, now: datetime) -> Removed:
        """Look at the next jobs of the oldest month that is over its time, or drop it."""
        over = now - (self.duration or timedelta(days=1))
        if self._month is None:
            rows = statements.run(connection, "next_month", {"before": over, "but": self._kept})
            if not rows:
                return AT_END
            self._month = dict(rows[0])
            self._after, self._tries = self._month["first"] - 1, 0
        ended = NEVER_BEFORE if self.duration is None else over
        asked = {**self._month, "after": self._after, "before": ended, "limit": LOOK}
        [look] = statements.run(connection, "look_at_month", asked)
        if look["kept"]:
            return self._keep()
        if look["last"] is not None:
            self._after = look["last"]
            return Removed()
        return self._drop(connection, self._month)

    def _drop(self, connection: Connection, month: dict[str, Any]) -> Removed:
        [need] = statements.run(connection, "month_is_needed", month)
        if need["is_needed"]:
            return self._keep()
        [result] = statements.run(connection, "drop_month", month)
        if result["dropped"]:
            self._month = None
            # Of one without a line there is nothing to tell.
            return Removed({"months": 1} if month["last"] >= month["first"] else {})
        self._tries += 1
        return self._keep() if self._tries == TRIES else Removed(pause=AGAIN_SECONDS)

    def _keep(self) -> Removed:
        assert self._month is not None
        self._kept.append(self._month["name"])
        self._month = None
        return Removed()
