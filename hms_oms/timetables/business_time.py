"""Business time: what the office hours of a queue make of a deadline; pure arithmetic.

Time counts only while the office is open. A day is that of the office's clock: one on which the clocks go
forward has an hour less, one on which they go back an hour more, and a time that they skip is an hour later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from hms_oms.runtime import clock
from hms_oms.timetables import business_days
from hms_oms.timetables.opening_hours import MINUTES_OF_DAY, Week

#: An office that is not open long enough within so many days never comes to the end of an SLA.
HORIZON_DAYS = 20 * 366
_DAY = timedelta(days=1)
_NOTHING = timedelta(0)


class NeverOver(ValueError):
    """The office is not open long enough within the horizon."""


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """When an office is open: its hours by the clock of its zone, on no holiday of a calendar (US-IL)."""

    week: Week
    timezone: str
    holidays: str | None = None


def deadline(office: OfficeHours, start: datetime, span: timedelta) -> datetime:
    """The first moment by which the office has been open for `span` since `start`. Raises NeverOver."""
    # Within one zone Python counts what the clock shows, and not what has passed.
    start, left = start.astimezone(UTC), span
    if left <= _NOTHING:
        return start
    first = _day(office, start)
    for day in (first + number * _DAY for number in range(HORIZON_DAYS)):
        for opens, closes in _open(office, day):
            begin = max(opens, start)
            if closes - begin >= left:
                return begin + left
            left -= max(closes - begin, _NOTHING)
    raise NeverOver(_never(span))


def start_of(office: OfficeHours, end: datetime, span: timedelta) -> datetime:
    """The last moment since which the office has been open for `span` until `end`. Raises NeverOver."""
    end, left = end.astimezone(UTC), span
    if left <= _NOTHING:
        return end
    last = _day(office, end)
    for day in (last - number * _DAY for number in range(HORIZON_DAYS)):
        for opens, closes in reversed(_open(office, day)):
            stop = min(closes, end)
            if stop - opens >= left:
                return stop - left
            left -= max(stop - opens, _NOTHING)
    raise NeverOver(_never(span))


def elapsed(office: OfficeHours, start: datetime, end: datetime) -> timedelta:
    """How long the office has been open between two moments."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    spans = (
        min(closes, end) - max(opens, start)
        for day in _days(_day(office, start), _day(office, end))
        for opens, closes in _open(office, day)
    )
    return sum((span for span in spans if span > _NOTHING), _NOTHING)


def moved(office: OfficeHours, end: datetime, span: timedelta) -> datetime:
    """A deadline that is later by `span` of office hours, earlier if it is negative. Raises NeverOver."""
    return deadline(office, end, span) if span >= _NOTHING else start_of(office, end, -span)


def is_open(office: OfficeHours, moment: datetime) -> bool:
    """Whether the office is open at a moment."""
    return any(opens <= moment < closes for opens, closes in _open(office, _day(office, moment)))


def faults(office: OfficeHours) -> list[tuple[str, str]]:
    """What is wrong with zone and holidays: each field to blame, and why."""
    wrong = []
    try:
        clock.zone(office.timezone)
    except ValueError as error:
        wrong.append(("timezone", str(error)))
    if office.holidays is not None:
        try:
            business_days.calendar(office.holidays)
        except business_days.UnknownCalendar as error:
            wrong.append(("holidays", str(error)))
    return wrong


@lru_cache(maxsize=8192)
def _open(office: OfficeHours, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """From when until when the office is open on a day, in UTC and in order."""
    hours = office.week[day.weekday()]
    if not hours or (office.holidays and business_days.is_holiday(office.holidays, day)):
        return ()
    spans: list[tuple[datetime, datetime]] = []
    for first, last in hours:
        opens, closes = _moment(office, day, first), _moment(office, day, last)
        # Hours that the clocks skip, or part of them, are none.
        opens = max(opens, spans[-1][1]) if spans else opens
        if opens < closes:
            spans.append((opens, closes))
    return tuple(spans)


def _moment(office: OfficeHours, day: date, minute: int) -> datetime:
    if minute == MINUTES_OF_DAY:
        day, minute = day + _DAY, 0
    local = datetime.combine(day, time(minute // 60, minute % 60), clock.zone(office.timezone))
    return local.astimezone(UTC)


def _day(office: OfficeHours, moment: datetime) -> date:
    return moment.astimezone(clock.zone(office.timezone)).date()


def _days(first: date, last: date) -> Iterator[date]:
    return (first + number * _DAY for number in range((last - first).days + 1))


def _never(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"the office is open for less than {hours:,.0f} hours within {HORIZON_DAYS // 366} years"
