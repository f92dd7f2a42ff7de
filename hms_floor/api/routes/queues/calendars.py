"""The business calendar of a queue: in which hours the SLAs of its jobs count."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from sqlalchemy import Connection

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests.calendars import SetCalendar
from hms_floor.api.requests.requests import QueuePath
from hms_floor.api.transport.problems import unprocessable
from hms_floor.presentation import calendar_words
from hms_oms.access import audit
from hms_oms.database import health
from hms_oms.documents.jobs import Undo
from hms_oms.documents.queues import QueueCalendar
from hms_oms.jobs import commands
from hms_oms.queues import calendars, sla
from hms_oms.timetables import business_time, opening_hours
from hms_oms.timetables.business_time import OfficeHours
from hms_oms.undo import queue_changes

router = APIRouter(route_class=Guarded, tags=["queues"])


@router.get("/queues/{queue}/calendar")
def get(app_state: TheAppState, queue: QueuePath) -> QueueCalendar:
    """The business calendar of a queue; without one time always counts."""
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)
        return _document(connection, queue, None)


@router.put("/queues/{queue}/calendar")
def put(app_state: TheAppState, who: Who, queue: QueuePath, body: SetCalendar) -> QueueCalendar:
    """Count the SLAs of a queue in office hours from now on. Jobs accepted before keep their deadline."""
    office = _read(body, app_state.settings.zone.key)
    with app_state.writing() as connection:
        with queue_changes.keep(connection, "calendar", queue, who=who.actor) as kept:
            before = calendars.in_force(connection, queue).office
            if office != before:
                calendars.set_calendar(connection, queue, office, who=who.actor)
        # An SLA that would never be over is refused with the hours that it would count in.
        minutes = sla.minutes_in_force(connection, queue)
        calendars.deadline(connection, queue, minutes, field="hours")
        detail = {"before": calendar_words.calendar(before), "calendar": calendar_words.calendar(office)}
        audit.write(connection, [who.act(queue, reason=body.reason, detail=detail)])
        return _document(connection, queue, visible.undo(connection, kept.change))


def _read(body: SetCalendar, zone: str) -> OfficeHours | None:
    """The office hours that a request asks for. Raises Problem."""
    if body.hours is None:
        return None
    try:
        week = opening_hours.read(body.hours)
    except ValueError as error:
        raise unprocessable(("hours", str(error))) from None
    office = OfficeHours(week, body.timezone or zone, body.holidays)
    faults = business_time.faults(office)
    if faults:
        raise unprocessable(*faults)
    return office


def _document(connection: Connection, queue: str, undo: Undo | None) -> QueueCalendar:
    calendar, now = calendars.in_force(connection, queue), health.clock(connection)
    minutes = sla.minutes_in_force(connection, queue)
    by_calendar = calendars.deadline(connection, queue, minutes, field="hours")
    office = calendar.office
    return QueueCalendar(
        queue,
        None if office is None else opening_hours.write(office.week),
        None if office is None else office.timezone,
        None if office is None else office.holidays,
        None if office is None else business_time.is_open(office, now),
        calendar.set_by,
        calendar.set_at,
        minutes,
        by_calendar.at if by_calendar else now + timedelta(minutes=minutes),
        undo,
    )
