"""SLA reports and the history of metrics."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AfterValidator, WithJsonSchema
from sqlalchemy import Connection

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import QueueName
from hms_floor.api.requests.zones import Zone, start_of
from hms_floor.api.transport.problems import Problem
from hms_floor.presentation.reports import sla_pdf
from hms_oms.database import health
from hms_oms.jobs import commands
from hms_oms.runtime import format
from hms_ops.documents.reports import Days, History, Lateness, SlaReport
from hms_ops.metrics import catalogue
from hms_ops.metrics import history as samples
from hms_ops.reports import sla_report

router = APIRouter(route_class=Guarded, tags=["ops"])

#: The longest time that a report is over, in days.
MOST_DAYS = 366
#: The most steps of a metric's history.
MOST_STEPS = 2000


def _kept(name: str) -> str:
    if name not in catalogue.names_kept():
        raise ValueError(f"there is no history of it; there is one of {', '.join(catalogue.names_kept())}")
    return name


Since = Annotated[requests.DayOrMoment | None, Query(alias="from", description="A day or a time.")]
Until = Annotated[requests.DayOrMoment | None, Query(alias="to", description="Before this.")]
Queue = Annotated[QueueName | None, Query(description="All, where none is named.")]
KeptName = Annotated[
    str, AfterValidator(_kept), WithJsonSchema({"type": "string", "enum": list(catalogue.names_kept())})
]


def _report(
    app_state: TheAppState,
    zone: Zone,
    queue: Queue = None,
    since: Since = None,
    until: Until = None,
    week: Annotated[bool, Query(description="The week of `from`, or this one.")] = False,
) -> SlaReport:
    with app_state.reading() as connection:
        _require(connection, queue)
        now = health.clock(connection)
        if week:
            start, end = sla_report.week(start_of(since, zone) if since else now, zone)
        else:
            start, end = _span(since, until, now, zone)
        return sla_report.report(connection, start, end, zone, queue)


Asked = Annotated[SlaReport, Depends(_report)]


@router.get("/sla/report")
def report(asked: Asked) -> SlaReport:
    """How deadlines were met: the last seven days, where nothing else is asked for."""
    return asked


@router.get("/sla/report.pdf", response_class=Response, responses={200: {"content": {sla_pdf.PDF: {}}}})
def report_pdf(app_state: TheAppState, asked: Asked, queue: Queue = None) -> Response:
    """The same report as a PDF, with a chart of its days; its times are those of its zone."""
    with app_state.reading() as connection:
        now = health.clock(connection)
    day = format.day(asked.since, ZoneInfo(asked.zone))
    name = "-".join(filter(None, ("sla", queue, f"{day}.pdf")))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(sla_pdf.file(asked, queue, now), headers=headers, media_type=sla_pdf.PDF)


@router.get("/sla/days")
def by_day(
    app_state: TheAppState,
    zone: Zone,
    queue: Queue = None,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 14,
) -> Days:
    """How deadlines were met day by day, today among them."""
    with app_state.reading() as connection:
        _require(connection, queue)
        return Days(str(zone), sla_report.by_day(connection, queue, days, zone))


@router.get("/sla/lateness")
def lateness(
    app_state: TheAppState, zone: Zone, queue: Queue = None, since: Since = None, until: Until = None
) -> Lateness:
    """How late the misses are, by buckets: of the last seven days, where nothing else is asked for."""
    with app_state.reading() as connection:
        _require(connection, queue)
        start, end = _span(since, until, health.clock(connection), zone)
        buckets = sla_report.lateness(connection, queue, start, end)
    return Lateness(start, end, tuple(buckets))


@router.get("/history")
def history(
    app_state: TheAppState,
    zone: Zone,
    name: Annotated[KeptName, Query(description="A metric of which there is a history.")],
    queue: Annotated[QueueName | None, Query(description="None for a metric of the whole floor.")] = None,
    since: Since = None,
    until: Until = None,
    step: Annotated[
        int | None, Query(ge=60, le=86400, description="In seconds; some hundred steps, where none is named.")
    ] = None,
) -> History:
    """How a metric went: the last seven days, where nothing else is asked for."""
    with app_state.reading() as connection:
        _require(connection, queue)
        start, end = _span(since, until, health.clock(connection), zone)
        seconds = (end - start).total_seconds()
        steps = step or max(60, int(seconds / 400 // 60) * 60)
        if seconds / steps > MOST_STEPS:
            raise Problem(
                409, f"these are more than {MOST_STEPS:,} steps: ask for longer ones, or for less time"
            )
        points = samples.history(connection, name, queue, start, end, steps)
    return History(
        name=name,
        queue=queue,
        unit=catalogue.CATALOGUE[name].unit,
        since=start,
        until=end,
        step=steps,
        points=tuple(points),
    )


def _span(
    since: date | datetime | None, until: date | datetime | None, now: datetime, zone: tzinfo
) -> tuple[datetime, datetime]:
    end = start_of(until, zone) if until else now
    start = start_of(since, zone) if since else end - timedelta(days=7)
    if not timedelta() < end - start <= timedelta(days=MOST_DAYS):
        raise Problem(409, "what is asked for ends before it begins, or is longer than a year")
    return start, end


def _require(connection: Connection, queue: str | None) -> None:
    if queue is not None:
        commands.require_queue(connection, queue)
