"""When a schedule is due: the moments of a cron line in a time zone, on the days of a business calendar.

The clock of the zone is followed as cron on Debian does. A time of day that the clocks skip in spring is
due at once when they have gone forward, and one that comes twice in autumn is due the first time only. What
is due every hour or every few minutes (a `*` in its minutes or hours) goes on through both: it follows the
hours that pass, and not their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from hms_oms.runtime import clock
from hms_oms.timetables import business_days

#: The names that cron has for some lines.
NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
#: What is not due within this time is never due; two 29ths of February may be eight years apart.
HORIZON = timedelta(days=9 * 366)
_FIELDS = 5
#: A moment at which the line of a new timetable is tried.
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Timetable:
    """A cron line, the time zone of its clock, and the calendar on whose business days it holds."""

    cron: str
    timezone: str
    calendar: str | None = None


def faults(timetable: Timetable) -> list[tuple[str, str]]:
    """What is wrong with a timetable: each field to blame, and why."""
    wrong = []
    try:
        _line(timetable.cron, _SOME_DAY)
    except ValueError as error:
        wrong.append(("cron", str(error)))
    try:
        clock.zone(timetable.timezone)
    except ValueError as error:
        wrong.append(("timezone", str(error)))
    if timetable.calendar is not None:
        try:
            business_days.calendar(timetable.calendar)
        except business_days.UnknownCalendar as error:
            wrong.append(("calendar", str(error)))
    if not wrong and next(next_runs(timetable, _SOME_DAY), None) is None:
        days = f" on a business day of {timetable.calendar}" if timetable.calendar else ""
        wrong.append(("cron", f"{timetable.cron!r} is never due{days}"))
    return wrong


def next_runs(timetable: Timetable, after: datetime) -> Iterator[datetime]:
    """The moments at which it is due, in UTC and in order, from the first one after `after` on."""
    zone, last = clock.zone(timetable.timezone), after
    until, start = after + HORIZON, after.astimezone(zone)
    while start < until:
        closed: date | None = None
        for due in _line(timetable.cron, start):
            if due >= until:
                return
            if timetable.calendar and not business_days.is_business_day(timetable.calendar, due.date()):
                closed = due.date()
                break
            # Several times that the clocks skip are one moment; one that comes twice is behind us already.
            moment = due.astimezone(UTC)
            if moment > last:
                last = moment
                yield moment
        if closed is None:
            return
        start = _last_second(closed, zone)


def due_between(timetable: Timetable, after: datetime, until: datetime) -> Iterator[datetime]:
    """The moments at which it is due, after `after` and up to `until`."""
    return takewhile(lambda due: due <= until, next_runs(timetable, after))


def upcoming(timetable: Timetable, after: datetime, count: int) -> list[datetime]:
    """The next so many moments."""
    return list(islice(next_runs(timetable, after), count))


def words(cron: str) -> str:
    """A cron line in words, as "At 06:00 every day"."""
    return _line(cron, _SOME_DAY).explain()


def _line(cron: str, start: datetime) -> CronSim:
    """The moments of a cron line after `start`. Raises ValueError, which names the field."""
    written = NAMED.get(cron.strip().lower(), cron)
    fields = written.split()
    if len(fields) != _FIELDS:
        raise ValueError(
            f"{cron!r} is not a cron line: it wants minute, hour, day of the month, month and day of the"
            " week, as in 0 6 * * MON-FRI"
        )
    try:
        return CronSim(written, start)
    except CronSimError as error:
        raise ValueError(f"{cron!r} is not a cron line: {str(error).lower()}") from None


def _last_second(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(23, 59, 59), zone)
