"""Read the parts of a job's steps: how many there are in each status, and those that are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from hms_oms.database import statements
from hms_oms.database.schema.tables import jobs
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Event

#: So many parts of a step are shown.
MOST = 50


@dataclass(frozen=True, slots=True)
class PartState:
    """How one part of a step stands, with its event log."""

    id: int
    step: int
    part: int
    status: str
    attempt: int
    failures: int
    worker: str | None
    event_log: tuple[Event, ...]


def counts(connection: Connection, job: int) -> Mapping[int, Mapping[str, int]]:
    """How many parts of each step are in each status."""
    by_step: defaultdict[int, dict[str, int]] = defaultdict(dict)
    query = (
        select(jobs.c.step, jobs.c.status, func.count())
        .where(jobs.c.parent_id == job, jobs.c.part.is_not(None))
        .group_by(jobs.c.step, jobs.c.status)
    )
    for step, status, number in connection.execute(query):
        by_step[step][status] = number
    return by_step


def open_ones(connection: Connection, job: int) -> list[tuple[int, str]]:
    """The parts of a job's steps that have not ended, each with its queue."""
    query = select(jobs.c.id, jobs.c.queue).where(
        jobs.c.parent_id == job, jobs.c.part.is_not(None), jobs.c.finished_at.is_(None)
    )
    return [(row.id, row.queue) for row in connection.execute(query)]


def shown(connection: Connection, job: int) -> Sequence[PartState]:
    """The parts that are shown, by step and in order."""
    rows = statements.run(connection, "shown_parts", {"job": job, "most": MOST})
    logs = read.event_logs(connection, [row["id"] for row in rows])
    return [PartState(**row, event_log=tuple(logs.get(row["id"], ()))) for row in rows]
