"""Record which jobs were late in an incident: the open ones, and those that have just ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_ops.incidents.stages import STAGES
from hms_ops.incidents.store import Incident
from hms_ops.statements import statement

#: Jobs listed in one look: a small part of a second.
MOST = 5000


@dataclass(frozen=True, slots=True)
class LateJob:
    """A job that was late in an incident, and when it was listed."""

    job_id: int
    deadline: datetime
    noted_at: datetime


def note(connection: Connection, now: datetime, *, whole: bool) -> int:
    """List the late jobs of the open incident of each queue; returns how many are new.

    Each look goes on behind the deadlines that are listed already, MOST jobs at a time; with `whole` from the
    beginning, for jobs that came into the queue when they were late already.
    """
    open_ones = connection.execute(
        text(
            "select id, queue from ops.incidents"
            " where state in ('open', 'acknowledged') and rule = any(:stages) order by id"
        ),
        {"stages": list(STAGES)},
    ).all()
    return sum(_note(connection, incident.id, incident.queue, now, whole) for incident in open_ones)


def of(connection: Connection, incident: Incident, limit: int | None = 100) -> list[LateJob]:
    """The jobs that were late in an incident, the earliest deadline first."""
    rows = connection.execute(
        text(
            "select job_id, deadline, noted_at from ops.incident_jobs where incident_id = :id"
            " order by deadline, job_id limit :limit"
        ),
        {"id": incident.id, "limit": limit},
    )
    return [LateJob(**row) for row in rows.mappings()]


@dataclass(frozen=True, slots=True)
class LateRow:
    """A job that was late in an incident, as it stands now: `late_seconds` until its end, or so far.

    `name` is the text that its payload has under that name, if there is one.
    """

    job_id: int
    key: str | None
    name: str | None
    status: str
    deadline: datetime
    late_seconds: float


#: What the late jobs of an incident can be sorted by.
ORDERS = {
    "deadline": "deadline, job_id",
    "late": "late_seconds desc, job_id",
    "key": "key, job_id",
    "name": "name, job_id",
    "status": "status, deadline, job_id",
}


def page(
    connection: Connection, incident: Incident, now: datetime, *, order: str, limit: int, skip: int
) -> list[LateRow]:
    """The late jobs of an incident in one of `ORDERS`, without the first `skip`."""
    rows = connection.execute(
        text(f"{_ROWS} order by {ORDERS[order]} limit :limit offset :skip"),
        {"id": incident.id, "now": now, "limit": limit, "skip": skip},
    )
    return [LateRow(**row) for row in rows.mappings()]


def _note(connection: Connection, incident: int, queue: str, now: datetime, whole: bool) -> int:
    row = {"incident": incident, "queue": queue, "now": now, "most": MOST, "whole": whole}
    return int(connection.exec_driver_sql(statement("note_late"), row).scalar_one())


_ROWS = """
select
    job.id as job_id, coalesce(job.key, job.freed_key) as key, job.status, listed.deadline,
    case when jsonb_typeof(job.payload -> 'name') = 'string' then job.payload ->> 'name' end as name,
    cast(greatest(0, extract(epoch from coalesce(job.finished_at, :now) - listed.deadline)) as float8)
        as late_seconds
from ops.incident_jobs as listed
join oms.jobs as job on job.id = listed.job_id
where listed.incident_id = :id
"""
