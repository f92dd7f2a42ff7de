"""The shifts as a calendar (RFC 5545): an event for each, every week, by the clock on the wall."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from icalendar import Calendar, Event, vRecur
from icalendar.enums import TRANSP

from hms_ops.oncall import oncall
from hms_ops.oncall.oncall import DAYS, Document

#: How often a calendar may read it again.
REFRESH = timedelta(hours=1)
_DAYS = dict(zip(DAYS, ("MO", "TU", "WE", "TH", "FR", "SA", "SU"), strict=True))


def ical(document: Document, since: datetime) -> bytes:
    """The shifts of a document that is in force `since` then; phones and channels are not in it."""
    calendar = Calendar.new(
        prodid="-//HMS Management Layer//On call//EN",
        name="On call",
        description="Shifts of the on-call document",
        method="PUBLISH",
        refresh_interval=REFRESH,
    )
    for event in _events(document, since):
        calendar.add_component(event)
    calendar.add_missing_timezones()
    return bytes(calendar.to_ical())


def _events(document: Document, since: datetime) -> Iterator[Event]:
    here = oncall.zone(document)
    numbers: Counter[str] = Counter()
    for shift in document["shifts"]:
        begins, ends = time.fromisoformat(shift["from"]), time.fromisoformat(shift["until"])
        day = _first(since.astimezone(here).date(), shift["days"])
        last = day if begins < ends else day + timedelta(days=1)
        # The same shift keeps its name in calendars, whatever else the document changes.
        known_by = hashlib.sha256(json.dumps(shift, sort_keys=True).encode()).hexdigest()[:32]
        numbers[known_by] += 1
        event = Event.new(
            uid=f"{known_by}-{numbers[known_by]}@hms",
            stamp=since,
            summary=f"{shift['recipient']} on call ({shift['name']})",
            start=datetime.combine(day, begins, here),
            end=datetime.combine(last, ends, here),
            transparency=TRANSP.TRANSPARENT,
        )
        event.add("rrule", vRecur({"FREQ": "WEEKLY", "BYDAY": [_DAYS[name] for name in shift["days"]]}))
        yield event


def _first(since: date, days: list[str]) -> date:
    """The first of these days of the week from a day on."""
    numbers = {DAYS.index(name) for name in days}
    return next(day for ahead in range(7) if (day := since + timedelta(days=ahead)).weekday() in numbers)
