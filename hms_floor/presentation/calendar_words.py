"""Words for business calendars and for time in them, for pages and the command line."""

from __future__ import annotations

from datetime import timedelta

from hms_oms.runtime import format
from hms_oms.timetables import opening_hours
from hms_oms.timetables.business_time import OfficeHours


def calendar(office: OfficeHours | None) -> str | None:
    """The office hours of a queue, as `Mo-Fr 08:00-16:30 (America/Chicago), no holidays of US-IL`."""
    if office is None:
        return None
    return told(opening_hours.write(office.week), office.timezone, office.holidays)


def told(hours: str, timezone: str | None, holidays: str | None) -> str:
    """As `calendar`, of its parts."""
    without = f", not on holidays of {holidays}" if holidays else ""
    return f"{hours} ({timezone}){without}"


def elapsed(seconds: float, business_seconds: float | None) -> str | None:
    """How much time has passed for a job, and how much of it its SLA counts; None: all of it."""
    if business_seconds is None:
        return None
    whole, counted = (format.about(timedelta(seconds=time)) for time in (seconds, business_seconds))
    return f"{whole}, of which the SLA counts {counted}"
