"""Deadlines in office hours under one clock: what an SLA is made of, and how much of it has passed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hms_oms.timetables import business_time, opening_hours
from hms_oms.timetables.business_time import NeverOver, OfficeHours
from tests.nights.timetables import BEGINNINGS, DAYS, ZONES

#: So many SLAs are given in a season.
SLAS = 40
HOLIDAYS = (None, None, "US-IL", "DE-BY")
_DAYS = ("Mo-Fr", "Mo-Su", "Sa-Su", "Su", "We")
_NOTHING, _MOMENT = timedelta(0), timedelta(microseconds=1)


def wrong(seed: int) -> list[str]:
    """Give the SLAs of a seed: each deadline is where the office has been open for just so long."""
    dice = random.Random(f"deadlines {seed}")
    office = OfficeHours(opening_hours.read(_hours(dice)), dice.choice(ZONES), dice.choice(HOLIDAYS))
    begin = datetime(dice.randint(2024, 2030), *dice.choice(BEGINNINGS), tzinfo=UTC)
    about = f"{opening_hours.write(office.week)} in {office.timezone}, {office.holidays}"
    return [
        f"{about}: {sentence}"
        for _ in range(SLAS)
        for sentence in _faults(
            office,
            begin + timedelta(seconds=dice.uniform(0, DAYS * 86400)),
            timedelta(seconds=dice.choice((dice.randint(1, 3600), dice.randint(1, 90_000)))),
            timedelta(seconds=dice.randint(1, 20_000)),
        )
    ]


def _faults(office: OfficeHours, start: datetime, span: timedelta, more: timedelta) -> Iterator[str]:
    about = f"{span} from {start}"
    try:
        due, later = (business_time.deadline(office, start, wait) for wait in (span, span + more))
        back = business_time.start_of(office, due, span)
    except NeverOver as error:
        yield f"{about}: {error}"
        return
    if due < start:
        yield f"{about} ends before it begins, at {due}"
    if business_time.elapsed(office, start, due) != span:
        yield f"{about} is {due}, of which {business_time.elapsed(office, start, due)} count"
    if business_time.elapsed(office, start, due - _MOMENT) >= span:
        yield f"{about} is over before {due}"
    if due - start < span:
        yield f"{about} takes less than it has, until {due}"
    if business_time.deadline(office, due, more) != later:
        yield f"{about} and then {more} is not {later}"
    if business_time.elapsed(office, back, due) != span or back < start:
        yield f"{about} is {due}, and back again {back}"
    if business_time.moved(office, due, _NOTHING) != due:
        yield f"{about} is {due}, which moves by itself"
    if business_time.deadline(office, start + more, span) < due:
        yield f"{about} is later than what begins {more} later"
    if not business_time.is_open(office, due - _MOMENT):
        yield f"{about} is {due}, when the office is closed"


def _hours(dice: random.Random) -> str:
    """Hours of one to three spans a day, on some days; some in the small hours, at which clocks are set."""
    minutes = sorted(dice.sample(range(0, 24 * 60 + 1, 15), 2 * dice.randint(1, 3)))
    if dice.random() < 0.3:
        minutes = [0, 150, 165, 1440]
    spans = [
        f"{_shown(first)}-{_shown(last)}" for first, last in zip(minutes[::2], minutes[1::2], strict=True)
    ]
    return f"{dice.choice(_DAYS)} {','.join(spans)}"


def _shown(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
