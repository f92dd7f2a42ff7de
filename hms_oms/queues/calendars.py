"""The business calendar of a queue: in which hours its SLAs count; the writer of oms.calendars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from sqlalchemy import Connection, RowMapping, text

from hms_oms.jobs.commands import require_queue
from hms_oms.jobs.records import Deadline
from hms_oms.runtime.errors import SlaNeverOver
from hms_oms.timetables import business_time, opening_hours
from hms_oms.timetables.business_time import NeverOver, OfficeHours


@dataclass(frozen=True, slots=True)
class QueueCalendar:
    """The office hours of a queue (None: time always counts), by whom they were set, and when."""

    id: int | None
    office: OfficeHours | None
    set_by: str | None
    set_at: datetime | None


def in_force(connection: Connection, queue: str) -> QueueCalendar:
    """The calendar of a queue; one that no recipe uses has none."""
    row = connection.execute(text(_OF_QUEUE), {"queue": queue}).mappings().one_or_none()
    if row is None:
        return QueueCalendar(None, None, None, None)
    return QueueCalendar(row["id"], _office(row), row["calendar_set_by"], row["calendar_set_at"])


def offices(connection: Connection) -> Mapping[str, OfficeHours]:
    """The office hours of every queue that has a calendar."""
    rows = connection.execute(text(_OF_ALL)).mappings()
    return {row["name"]: office for row in rows if (office := _office(row)) is not None}


def of_job(connection: Connection, calendar: int | None) -> OfficeHours | None:
    """The office hours that the deadline of a job was computed by."""
    if calendar is None:
        return None
    query = text("select id, hours, timezone, holidays from oms.calendars where id = :id")
    return _office(connection.execute(query, {"id": calendar}).mappings().one())


def set_calendar(connection: Connection, queue: str, office: OfficeHours | None, *, who: str) -> None:
    """Count the SLAs of jobs that are accepted from now on in these hours. Raises UnknownQueue."""
    require_queue(connection, queue)
    known = None if office is None else _keep(connection, office)
    connection.execute(
        text(
            "update oms.queues"
            " set calendar_id = :calendar, calendar_set_by = :who, calendar_set_at = oms.now()"
            " where name = :queue"
        ),
        {"queue": queue, "calendar": known, "who": who},
    )


def deadline(
    connection: Connection,
    queue: str,
    minutes: float,
    *,
    start: datetime | None = None,
    field: str = "slaMinutes",
) -> Deadline | None:
    """The deadline of a job that a queue accepts, counting from `start` or now; None: it has no calendar.

    Raises SlaNeverOver, which blames `field`.
    """
    row = connection.execute(text(_OF_QUEUE), {"queue": queue}).mappings().one_or_none()
    office = None if row is None else _office(row)
    if row is None or office is None:
        return None
    start = start or row["now"]
    try:
        due = business_time.deadline(office, start, timedelta(minutes=minutes))
    except NeverOver as error:
        raise SlaNeverOver([(field, str(error))]) from None
    return Deadline(due, row["id"], start)


def _keep(connection: Connection, office: OfficeHours) -> int:
    """The number of a calendar, which is kept once."""
    given = {
        "hours": opening_hours.write(office.week),
        "timezone": office.timezone,
        "holidays": office.holidays,
    }
    connection.execute(text(_ADD), given)
    return int(connection.execute(text(_KNOWN), given).scalar_one())


def _office(row: RowMapping) -> OfficeHours | None:
    return None if row["id"] is None else _hours(row["hours"], row["timezone"], row["holidays"])


@lru_cache(maxsize=256)
def _hours(hours: str, timezone: str, holidays: str | None) -> OfficeHours:
    return OfficeHours(opening_hours.read(hours), timezone, holidays)


_OF_QUEUE = """
select calendar.id, calendar.hours, calendar.timezone, calendar.holidays,
    queue.calendar_set_by, queue.calendar_set_at, oms.now() as now
from oms.queues as queue
left join oms.calendars as calendar on calendar.id = queue.calendar_id
where queue.name = :queue
"""

_OF_ALL = """
select queue.name, calendar.id, calendar.hours, calendar.timezone, calendar.holidays
from oms.queues as queue
join oms.calendars as calendar on calendar.id = queue.calendar_id
"""

_ADD = """
insert into oms.calendars (hours, timezone, holidays)
values (:hours, :timezone, :holidays)
on conflict do nothing
"""

_KNOWN = """
select id from oms.calendars
where hours = :hours and timezone = :timezone and holidays is not distinct from cast(:holidays as text)
"""
