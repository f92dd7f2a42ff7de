"""Walks over the jobs that have ended, oldest first, a few at a time; each removes one kind of data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping

from hms_oms.cycles import cycles
from hms_oms.database import statements
from hms_oms.retention.rules import NEVER_BEFORE, Rule, month_of

#: Jobs that are looked at in one transaction.
LOOK = 500
#: Jobs whose keys are noted in one transaction, for the removals that follow.
KEYS_AHEAD = 10_000
#: A job is removed no earlier than so long after its key was noted, in seconds.
SETTLED_SECONDS = 10.0
#: By so much a clock may have been set: a line that stands elsewhere in the event log goes with its month.
ASTRAY = timedelta(days=31)

#: The statement that removes each kind of what belongs to a job.
_REMOVALS = {"events": "remove_events", "messages": "remove_messages", "attempts": "remove_attempts"}
#: Kinds that the report of a cycle counts.
_REPORTED = frozenset({"jobs", "messages"})

#: Seconds after which a walk goes on that waits for keys to be seen, and one that is at its end.
WAIT_SECONDS, END_SECONDS = 5.0, 60.0

Counts = dict[str, int]


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows were removed, by kind, and after how many seconds there is more to do.

    `over` is whether nothing was left that is over its time, but for what something still needs.
    """

    counts: Counts = field(default_factory=dict)
    pause: float = 0.0
    over: bool = False


AT_END = Removed(pause=END_SECONDS, over=True)


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a walk has come: the end of the last job that it has passed."""

    at: datetime | str = NEVER_BEFORE
    id: int = 0


@dataclass
class Walk:
    """The removal of one kind of data from the jobs of these rules, which keep it equally long.

    Jobs that something still needs are passed over, until the walk begins again.
    """

    kind: str
    duration: timedelta
    rules: Sequence[Rule]
    #: Whether it leaves the jobs of a month alone until the whole month is over its time.
    by_month: bool = False
    cursor: Cursor = field(default_factory=Cursor)
    #: Up to where the keys of jobs are noted.
    noted: Cursor | None = None
    #: Cycles that are over, and that of jobs without one.
    over: set[int | None] = field(default_factory=lambda: {None})

    def remove(self, connection: Connection, now: datetime) -> Removed:
        """Remove from the next jobs."""
        before = now - self.duration
        if self.by_month:
            before = month_of(before)
        if self.kind == "jobs" and self.noted is None:
            return self._note_keys(connection, before)
        rows = statements.run(connection, "jobs_by_end", self._next(before, LOOK))
        if not rows:
            self.noted = None
            return AT_END
        types = {rule.type for rule in self.rules}
        typed = [row for row in rows if row["type"] in types]
        self._look_at_cycles(connection, {row["batch_id"] for row in typed} - self.over)
        chosen = [row for row in typed if row["batch_id"] in self.over]
        counts = self._remove(connection, [row["id"] for row in chosen], before) if chosen else {}
        if counts.pop("waiting", 0):
            return Removed(counts, WAIT_SECONDS)
        self.cursor = Cursor(rows[-1]["finished_at"], rows[-1]["id"])
        if self.cursor == self.noted:
            self.noted = None
        return Removed(counts)

    def _look_at_cycles(self, connection: Connection, batches: set[int]) -> None:
        for batch in sorted(batches):
            if cycles.is_over(connection, batch):
                self.over.add(batch)
                if self.kind in _REPORTED:
                    cycles.keep_report(connection, batch)

    def _note_keys(self, connection: Connection, before: datetime) -> Removed:
        asked = self._next(before, KEYS_AHEAD) | {"types": [rule.type for rule in self.rules]}
        for row in statements.run(connection, "note_keys", asked):
            self.noted = Cursor(row["last_at"], row["last_id"])
            return Removed(pause=SETTLED_SECONDS if row["noted"] else 0.0)
        return AT_END

    def _next(self, before: datetime, limit: int) -> dict[str, Any]:
        return {"before": before, "after_at": self.cursor.at, "after_id": self.cursor.id, "limit": limit}

    def _remove(self, connection: Connection, jobs: Sequence[int], before: datetime) -> Counts:
        asked: dict[str, Any] = {"jobs": list(jobs), "before": before}
        if self.kind == "jobs":
            [row] = statements.run(connection, "remove_jobs", asked | {"settled": SETTLED_SECONDS})
            return dict(row)
        if self.kind in _REMOVALS:
            removable = statements.run(connection, "removable", asked)
            if not removable:
                return {self.kind: 0}
            [row] = statements.run(connection, _REMOVALS[self.kind], _lives(removable))
            return dict(row)
        erased = {"personal_data": 0, "erased_messages": 0}
        for rule in self.rules:
            [row] = statements.run(connection, "erase_jobs", asked | _personal(rule))
            erased = {name: number + row[name] for name, number in erased.items()}
        return erased


def _lives(rows: Sequence[RowMapping]) -> dict[str, Any]:
    """Jobs, and between when their lines stand in the event log, however a clock was set."""
    return {
        "jobs": [row["id"] for row in rows],
        "since": min(row["created_at"] for row in rows) - ASTRAY,
        "until": max(row["finished_at"] for row in rows) + ASTRAY,
    }


def _personal(rule: Rule) -> dict[str, Any]:
    return {
        "type": rule.type,
        "paths": json.dumps(rule.personal),
        "names": [path[-1] for path in rule.personal],
    }
