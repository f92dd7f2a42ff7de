"""When open jobs will end, and a page of those that are at risk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from math import inf
from typing import Any

from sqlalchemy import Connection

from hms_floor.api.accept import Request
from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller
from hms_floor.api.app_state import AppState
from hms_floor.api.requests.requests import JobOrder
from hms_floor.api.responses import Jobs
from hms_floor.api.transport.problems import unprocessable
from hms_oms.database import health
from hms_oms.documents.foresight import Quoted
from hms_oms.jobs.queries import parts, read
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.records import Job
from hms_oms.jobs.states import OPEN
from hms_oms.order import cells
from hms_oms.queues import calendars, sla
from hms_ops.foresight import quotes
from hms_ops.foresight.ends import End
from hms_ops.foresight.forecasts import Forecasts


def page(
    connection: Connection,
    forecasts: Forecasts,
    who: Caller,
    job_filter: Filter,
    order: JobOrder,
    limit: int,
    skip: int,
) -> Jobs:
    """A page of jobs that are at risk; they change from look to look, so the cursor counts them."""
    if job_filter.parent is None:
        risks = forecasts.at_risk(connection)
    else:
        known = forecasts.of_jobs(connection, parts.open_ones(connection, job_filter.parent))
        risks = [end for end in known.values() if end.at_risk]
    ordered = [end.job for end in sorted(risks, key=_ORDERS[order])]
    # They may have ended since that was foreseen.
    still_open = replace(job_filter, status=job_filter.status or tuple(OPEN))
    records, total = read.find_in_order(connection, still_open, ordered, limit=limit, skip=skip)
    behind = skip + len(records)
    ends = {end.job: end for end in risks} | ends_of(connection, forecasts, records)
    jobs = tuple(visible.job(job, who, ends[job.id]) for job in records)
    return Jobs(jobs, str(behind) if behind < total else None, total)


def ends_of(connection: Connection, forecasts: Forecasts, jobs: Iterable[Job]) -> dict[int, End]:
    """The predicted ends of those of the jobs that are open."""
    still_open = ((job.id, job.queue) for job in jobs if job.finished_at is None)
    return dict(forecasts.of_jobs(connection, still_open))


def quote_now(app_state: AppState, request: Request) -> Quoted:
    """Read what a request could expect. Raises Problem for one that may not start now."""
    with app_state.reading() as connection:
        return quote(connection, request)


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
