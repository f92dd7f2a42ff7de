"""When open jobs will end, and a page of those that are at risk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from math import inf
from typing import Any

from sqlalchemy import Connection

from hms_floor.api.accept import Request
from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller
from hms_floor.api.requests.requests import JobOrder
from hms_floor.api.responses import Jobs
from hms_floor.api.transport.problems import unprocessable
from hms_oms.database import health
from hms_oms.documents.foresight import Quoted
from hms_oms.jobs.queries import parts, read
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.records import Job
from hms_oms.order import cells
from hms_oms.queues import calendars, sla
from hms_ops.foresight import ends, quotes
from hms_ops.foresight.ends import End


def page(
    connection: Connection, who: Caller, job_filter: Filter, order: JobOrder, limit: int, skip: int
) -> Jobs:
    """A page of jobs that are at risk; they change from look to look, so the cursor counts them."""
    risks = sorted(_at_risk(connection, job_filter), key=_ORDERS[order])
    known = {end.job: end for end in risks}
    records, total = read.find_in_order(connection, job_filter, list(known), limit=limit, skip=skip)
    behind = skip + len(records)
    jobs = tuple(visible.job(job, who, known[job.id]) for job in records)
    return Jobs(jobs, str(behind) if behind < total else None, total)


def _at_risk(connection: Connection, job_filter: Filter) -> Iterable[End]:
    """The jobs that are at risk, or those of the parts of one job."""
    if job_filter.parent is None:
        return ends.at_risk(connection, job_filter.queue)
    known = ends.of_jobs(connection, parts.open_ones(connection, job_filter.parent))
    return [end for end in known.values() if end.at_risk]


def ends_of(connection: Connection, jobs: Iterable[Job]) -> Mapping[int, End]:
    """The predicted ends of those of the jobs that are open."""
    return ends.of_jobs(connection, ((job.id, job.queue) for job in jobs if job.finished_at is None))


def quote(connection: Connection, request: Request) -> Quoted:
    """What a request could expect. Raises Problem for one that may not start now."""
    if request.ready_at is not None:
        raise unprocessable(("notBefore", "cannot be quoted: a quote is for a job that may start now"))
    recipe = request.recipe
    minutes = request.sla_minutes
    if minutes is None:
        minutes = sla.minutes_in_force(connection, recipe.queue)
    by_calendar = calendars.deadline(connection, recipe.queue, minutes)
    now = health.clock(connection)
    return quotes.of(
        connection,
        recipe.type,
        recipe.steps[0],
        cells.first(recipe.type, recipe.size, request.payload),
        deadline=by_calendar.at if by_calendar else now + timedelta(minutes=minutes),
        sla_minutes=minutes,
        priority=request.priority,
        must=request.must,
    )


def _lateness(end: End) -> tuple[float, int]:
    """The latest first, and before them those that never end."""
    late = inf if end.ends_at is None else (end.ends_at - end.deadline).total_seconds()
    return -late, end.job


_ORDERS: Mapping[JobOrder, Callable[[End], Any]] = {
    "newest": lambda end: -end.job,
    "deadline": lambda end: (end.deadline, end.job),
    "lateness": _lateness,
}
