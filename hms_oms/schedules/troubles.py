"""Schedules whose work has not started although it was due."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hms_oms.database import statements

#: How long what is due may be left before the dispatcher is taken to start nothing.
PATIENCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class ScheduleTrouble:
    """A schedule in trouble since a moment, of a queue; `note` says what is missing, or why nothing started.

    `kind` is `missing` for a file that has not come, `refused` for one that made no cycle, `failed`, or
    `unlooked` if no dispatcher has started what is due.
    """

    name: str
    queue: str | None
    kind: str
    since: datetime
    note: str | None
    due_at: datetime


def read(connection: Connection) -> list[ScheduleTrouble]:
    """The schedules in trouble, by name."""
    rows = statements.run(connection, "schedule_troubles", {"patience": PATIENCE})
    return [
        ScheduleTrouble(**{field.name: row[field.name] for field in fields(ScheduleTrouble)}) for row in rows
    ]
