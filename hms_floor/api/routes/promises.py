"""How promises were kept, and how the metrics went: what reports and charts are made of."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AfterValidator, WithJsonSchema
from sqlalchemy import Connection

from hms_floor.api import asked, showing
from hms_floor.api.access import Guarded
from hms_floor.api.answers import ops as answers
from hms_floor.api.asked import QueueName
from hms_floor.api.door import TheDoor
from hms_floor.api.problems import Problem, unprocessable
from hms_floor.cli import documents
from hms_oms import control, health
from hms_oms.tickets import job_name
from hms_ops import attainment, metrics, misses, samples

router = APIRouter(route_class=Guarded, tags=["ops"])

#: The longest time that a report is over, in days.
MOST_DAYS = 366
#: The most steps of a metric's history.
MOST_STEPS = 2000


def _kept(name: str) -> str:
    if name not in metrics.names_kept():
        raise ValueError(f"there is no history of it; there is one of {', '.join(metrics.names_kept())}")
    return name


Since = Annotated[asked.DayOrMoment | None, Query(alias="from", description="A day or a time.")]
Until = Annotated[asked.DayOrMoment | None, Query(alias="to", description="Before this.")]
Zone = Annotated[
    asked.Word | None,
    Query(description="The time zone of the days; that of the on-call document, where none is named."),
]
Queue = Annotated[QueueName | None, Query(description="All, where none is named.")]
KeptName = Annotated[
    str, AfterValidator(_kept), WithJsonSchema({"type": "string", "enum": list(metrics.names_kept())})
]


@router.get("/sla/report", response_model=answers.Kept)
def report(
    door: TheDoor,
    since: Since = None,
    until: Until = None,
    week: Annotated[bool, Query(description="The week of `from`, or this one.")] = False,
    zone: Zone = None,
) -> dict[str, Any]:
    """How promises were kept: the last seven days, where nothing else is asked for."""
    with door.reading() as connection:
        where = _zone(connection, zone)
        now = health.clock(connection)
        if week:
            start, end = attainment.week(_moment(since, where) if since else now, where)
        else:
            start, end = _span(since, until, now, where)
        found = attainment.report(connection, start, end, where)
        worst = misses.worst(connection, start, end)
    return {
        "since": start,
        "until": end,
        "zone": str(where),
        "whole": found.whole,
        "queues": found.queues,
        "days": found.days,
        "worst": [_miss(each) for each in worst],
    }


@router.get("/sla/days", response_model=answers.Days)
def by_day(
    door: TheDoor,
    queue: Queue = None,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 14,
    zone: Zone = None,
) -> dict[str, Any]:
    """How promises were kept day by day, today among them."""
    with door.reading() as connection:
        where = _zone(connection, zone)
        _require(connection, queue)
        found = attainment.by_day(connection, queue, days, where)
    return {"zone": str(where), "days": found}


@router.get("/sla/lateness", response_model=answers.Lateness)
def lateness(
    door: TheDoor, queue: Queue = None, since: Since = None, until: Until = None, zone: Zone = None
) -> dict[str, Any]:
    """How late the misses are, by buckets: of the last seven days, where nothing else is asked for."""
    with door.reading() as connection:
        _require(connection, queue)
        start, end = _span(since, until, health.clock(connection), _zone(connection, zone))
        found = attainment.lateness(connection, queue, start, end)
    return {"since": start, "until": end, "buckets": found}


@router.get("/history", response_model=answers.History)
def history(
    door: TheDoor,
    name: Annotated[KeptName, Query(description="A metric of which there is a history.")],
    queue: Annotated[QueueName | None, Query(description="None for a metric of the whole floor.")] = None,
    since: Since = None,
    until: Until = None,
    step: Annotated[
        int | None, Query(ge=60, le=86400, description="In seconds; some hundred steps, where none is named.")
    ] = None,
    zone: Zone = None,
) -> dict[str, Any]:
    """How a metric went: the last seven days, where nothing else is asked for."""
    with door.reading() as connection:
        _require(connection, queue)
        start, end = _span(since, until, health.clock(connection), _zone(connection, zone))
        seconds = (end - start).total_seconds()
        steps = step or max(60, int(seconds / 400 // 60) * 60)
        if seconds / steps > MOST_STEPS:
            raise Problem(
                409, f"these are more than {MOST_STEPS:,} steps: ask for longer ones, or for less time"
            )
        points = samples.history(connection, name, queue, start, end, steps)
    return {
        "name": name,
        "queue": queue,
        "unit": metrics.CATALOGUE[name].unit,
        "since": start,
        "until": end,
        "step": steps,
        "points": points,
    }


def _span(
    since: date | datetime | None, until: date | datetime | None, now: datetime, zone: tzinfo
) -> tuple[datetime, datetime]:
    end = _moment(until, zone) if until else now
    start = _moment(since, zone) if since else end - timedelta(days=7)
    if not timedelta() < end - start <= timedelta(days=MOST_DAYS):
        raise Problem(409, "what is asked for ends before it begins, or is longer than a year")
    return start, end


def _moment(when: date | datetime, zone: tzinfo) -> datetime:
    return when if isinstance(when, datetime) else datetime.combine(when, time(), zone).astimezone(UTC)


def _zone(connection: Connection, name: str | None) -> ZoneInfo:
    if name is None:
        return showing.zone(connection)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise unprocessable(("zone", "is not a time zone, as America/Chicago is")) from None


def _require(connection: Connection, queue: str | None) -> None:
    if queue is not None:
        control.require_queue(connection, queue)


def _miss(found: misses.Miss) -> dict[str, Any]:
    return documents.record(found) | {
        "job": job_name(found.job),
        "cause": found.cause,
        "spent": {str(cause): seconds for cause, seconds in found.spent.items()},
    }
