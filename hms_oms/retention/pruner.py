"""Removes what is over its time: in small bites, each a short transaction, oldest first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hms_oms.database import statements
from hms_oms.retention import rules
from hms_oms.retention.months import Months
from hms_oms.retention.rules import Keep, Rule
from hms_oms.retention.walk import AT_END, END_SECONDS, Counts, Removed, Walk

#: Rows that one bite takes from a table that is not walked by its jobs.
ROWS = 1000
#: The walks begin again after so many seconds, for what something needed when they passed.
AGAIN_SECONDS = 86400.0
#: While another process removes, or a hold is being set, a bite is tried again after so many seconds.
BUSY_SECONDS = 0.5

#: Kinds in the order in which they are removed: what is erased goes before what is removed whole.
_WALKS = ("personal_data", "attempts", "events", "messages", "jobs")


@dataclass(frozen=True)
class Chore:
    """The removal of rows that are older than `duration`, of these job types if it is a matter of types."""

    statement: str
    duration: timedelta
    types: tuple[str, ...] = ()

    def remove(self, connection: Connection, now: datetime) -> Removed:
        """Remove the oldest rows."""
        asked = {"before": now - self.duration, "limit": ROWS, "types": list(self.types)}
        [row] = statements.run(connection, self.statement, asked)
        counts = dict(row)
        unfinished = counts.pop("cycles", 0) or any(number == ROWS for number in counts.values())
        return Removed(counts) if unfinished else Removed(counts, END_SECONDS, over=True)


Task = Walk | Months | Chore


@dataclass
class Pruner:
    """The removals, one after the other; `keep` and `audit` hold for what no recipe speaks of.

    Where each stands is only in memory: another process begins with the oldest rows again.
    """

    keep: Keep
    audit: timedelta | None
    _tasks: dict[tuple[object, ...], Task] = field(default_factory=dict)
    _rests: dict[tuple[object, ...], tuple[float, bool]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def remove_next(self, connection: Connection) -> Removed:
        """Do the next piece of work in the connection's transaction, which should end at once."""
        [begun] = statements.run(connection, "begin_pruning", {})
        if not begun["alone"]:
            return Removed(pause=BUSY_SECONDS)
        if time.monotonic() - self._began > AGAIN_SECONDS:
            self._tasks, self._rests, self._began = {}, {}, time.monotonic()
        known = dict(self._due(rules.read(connection, self.keep)))
        self._tasks = {key: self._tasks.get(key, task) for key, task in known.items()}
        self._rests = {key: rest for key, rest in self._rests.items() if key in known}
        for key, task in self._tasks.items():
            if self._rests.get(key, (0.0, False))[0] <= time.monotonic():
                removed = task.remove(connection, begun["now"])
                self._rests[key] = time.monotonic() + removed.pause, removed.over
                return Removed(removed.counts)
        if not self._tasks:
            return AT_END
        soonest = min(until for until, _ in self._rests.values()) - time.monotonic()
        return Removed(pause=max(0.0, soonest), over=all(over for _, over in self._rests.values()))

    def _due(self, known: Sequence[Rule]) -> Iterator[tuple[tuple[object, ...], Task]]:
        longest = rules.longest_log(known)
        yield ("months", longest), Months(longest)
        for kind in _WALKS:
            for duration, together in rules.together(known, kind).items():
                by_month = rules.goes_by_month(kind, duration, longest)
                yield (kind, duration, *together, by_month), Walk(kind, duration, together, by_month)
        for duration, together in rules.together(known, "personal_data").items():
            types = tuple(rule.type for rule in together)
            yield ("rows", duration, types), Chore("erase_rows", duration, types)
        for duration, together in rules.together(known, "keys").items():
            types = tuple(rule.type for rule in together)
            yield ("keys", duration, types), Chore("forget_keys", duration, types)
        rest = {
            "remove_loose_texts": min(
                (kept for kept in (self.keep.personal_data, self.keep.messages) if kept is not None),
                default=None,
            ),
            "remove_replies": self.keep.personal_data,
            "remove_callbacks": self.keep.attempts,
            "remove_schedule_runs": self.keep.keys,
            "remove_audit": self.audit,
        }
        for statement, kept in rest.items():
            if kept is not None:
                yield (statement, kept), Chore(statement, kept)


def added(counts: Counts, more: Counts) -> Counts:
    """Two counts of removed rows together."""
    return {name: counts.get(name, 0) + more.get(name, 0) for name in dict.fromkeys([*counts, *more])}
