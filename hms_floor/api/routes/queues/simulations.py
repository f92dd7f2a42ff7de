"""Simulations: a file of arrivals, or a day of a queue, against any number of workers under each policy."""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from typing import Annotated

import anyio.to_process
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query, Request

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests.requests import QueueName
from hms_floor.api.requests.zones import Zone
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_floor.presentation.foresight import simulating
from hms_oms.documents.simulations import Simulated
from hms_oms.jobs import commands
from hms_oms.jobs.queries import days
from hms_oms.order import arrivals
from hms_oms.order.arrivals import Arrivals, UnreadableArrivals
from hms_oms.runtime import clock

router = APIRouter(route_class=Guarded, tags=["ops"])

#: More jobs would take minutes: they are for `hms simulate`.
MOST_JOBS = 10_000
MOST_WORKERS = 1000
#: One at a time, in a process of its own: it takes seconds of a core, and requests go on meanwhile.
_ONE = CapacityLimiter(1)

_FILE = {
    "requestBody": {
        "required": False,
        "description": "CSV with the columns arrival, service, deadline and type, or a log in the Standard"
        " Workload Format; nothing for a day of a queue.",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


@router.post("/simulations", openapi_extra=_FILE)
async def simulate(
    request: Request,
    app_state: TheAppState,
    zone: Zone,
    workers: Annotated[int, Query(ge=1, le=MOST_WORKERS, description="Each does one job at a time.")],
    sla_minutes: Annotated[
        float | None,
        Query(alias="slaMinutes", gt=0, le=525_600, description="Of jobs whose deadline the file lacks."),
    ] = None,
    queue: Annotated[QueueName | None, Query(description="Instead of a file: a queue, and ...")] = None,
    day: Annotated[date | None, Query(description="... the day on which its jobs were accepted.")] = None,
) -> Simulated:
    """Tell how many jobs would have been on time under each policy; nothing is changed."""
    if (queue is None) != (day is None):
        raise unprocessable(("day", "goes with a queue"))
    if queue is not None and day is not None:
        jobs = await to_thread.run_sync(_day, app_state, queue, day, zone)
    else:
        jobs = await to_thread.run_sync(_file, await request.body(), sla_minutes)
    if len(jobs.jobs) > MOST_JOBS:
        raise Problem(413, f"these are more than {MOST_JOBS:,} jobs: hms simulate takes any number")
    return await anyio.to_process.run_sync(
        simulating.simulated, jobs, workers, limiter=_ONE, cancellable=True
    )


def _day(app_state: AppState, queue: str, day: date, zone: tzinfo) -> Arrivals:
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)
        start: datetime = clock.midnight(day, zone)
        jobs = days.read(connection, queue, start)
    if not jobs.jobs:
        raise Problem(409, f"{queue}: no job that was accepted on {day} has been worked on")
    return jobs


def _file(raw: bytes, sla_minutes: float | None) -> Arrivals:
    try:
        text = raw.decode("utf-8-sig")
        return arrivals.read(text.splitlines(), None if sla_minutes is None else 60 * sla_minutes)
    except UnreadableArrivals as error:
        raise unprocessable(("body", str(error))) from None
    except UnicodeDecodeError:
        raise unprocessable(("body", "it is no text in UTF-8")) from None
