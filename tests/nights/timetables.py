"""Schedules under one clock: a season with changes of the clock in it, and hours in which nobody looks."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hms_oms.schedules import planning
from hms_oms.schedules.planning import MISSED, ON_TIME, SKIPPED, WAITING, PlannedRun, Rules
from hms_oms.timetables import business_days, timetable
from hms_oms.timetables.timetable import Timetable

ZONES = (
    "America/Chicago",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "UTC",
)
CALENDARS = (None, None, "US-IL", "DE-BY", "NYSE")
#: On one of these days a season begins that is so long: clocks everywhere go forward or back in it.
BEGINNINGS, DAYS = ((3, 5), (9, 28)), 45
#: Schedules are due at whole ones of these, and clocks are set by them.
_STEP = timedelta(minutes=5)
#: Nobody looks for at most so long: longer gaps are told in part only.
LONGEST_HOURS = 36.0
_DAY = timedelta(days=1)
_CATCH_UPS = ("none", "last", "all")


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a schedule, field by field; None for a field is any."""

    minutes: tuple[int, ...] | None
    hours: tuple[int, ...] | None
    weekdays: tuple[int, ...] | None

    @property
    def cron(self) -> str:
        """The same as a cron line, whose week begins on Sunday."""
        days = None if self.weekdays is None else tuple(sorted((day + 1) % 7 for day in self.weekdays))
        return f"{_field(self.minutes)} {_field(self.hours)} * * {_field(days)}"


def wrong(seed: int) -> list[str]:
    """Play the season of a seed: no run is left out or doubled, and each has the fate that its rules say."""
    dice = random.Random(f"timetables {seed}")
    times = _times(dice)
    table = Timetable(times.cron, dice.choice(ZONES), dice.choice(CALENDARS))
    start = datetime(dice.randint(2024, 2030), *dice.choice(BEGINNINGS), dice.randrange(24), tzinfo=UTC)
    rules = Rules(dice.choice(_CATCH_UPS), timedelta(hours=dice.choice((1, 6, 24))), "allow")
    expected = list(_moments(times, table, start, start + DAYS * _DAY))
    runs, looks = _played(dice, table, rules, start, start + DAYS * _DAY)
    about = f"{table}, {rules.catch_up} within {rules.within}"
    return [f"{about}: {sentence}" for sentence in _faults(expected, runs, looks, rules)]


def _played(
    dice: random.Random, table: Timetable, rules: Rules, start: datetime, end: datetime
) -> tuple[list[PlannedRun], dict[datetime, datetime]]:
    """The runs that were planned up to the end, and when each was first looked at."""
    runs: list[PlannedRun] = []
    looks: dict[datetime, datetime] = {}
    now, next_at = start, next(timetable.next_runs(table, start), None)
    while next_at is not None and now < end:
        # Mostly somebody looks at once; now and then nobody does for minutes or for hours.
        gaps = (0.0, dice.uniform(0, 120), dice.uniform(120, 3600 * LONGEST_HOURS))
        away = dice.choices(gaps, (90, 6, 4))[0]
        now = min(max(now, next_at) + timedelta(seconds=away), end)
        if now < next_at:
            break
        due = planning.due(table, next_at, now, rules.within)
        planned = planning.plan(due, now, rules)
        runs += planned
        looks |= {run.due_at: now for run in planned}
        next_at = next(timetable.next_runs(table, now), None)
    return runs, looks


def _faults(
    expected: list[datetime], runs: list[PlannedRun], looks: dict[datetime, datetime], rules: Rules
) -> Iterator[str]:
    named = Counter(run.due_at for run in runs)
    yield from (f"{moment} came {number} times" for moment, number in named.items() if number > 1)
    yield from (f"{moment} was left out" for moment in expected if moment not in named)
    yield from (f"{moment} is no time of it" for moment in named.keys() - set(expected))
    for run in runs:
        late = looks[run.due_at] - run.due_at
        if run.state == SKIPPED:
            yield f"{run.due_at} was skipped, and nothing was open"
        elif late <= ON_TIME and run.state != WAITING:
            yield f"{run.due_at} was on time and is {run.state}"
        elif late > rules.within and run.state != MISSED and late > ON_TIME:
            yield f"{run.due_at} is made up for after {late}"
        elif rules.catch_up == "none" and late > ON_TIME and run.state == WAITING:
            yield f"{run.due_at} is made up for"
        elif rules.catch_up == "all" and late <= rules.within and run.state == MISSED:
            together = [other for other in runs if looks[other.due_at] == looks[run.due_at]]
            if sum(other.due_at > run.due_at for other in together) < planning.MOST_RUNS:
                yield f"{run.due_at} was not made up for"


def _moments(times: Times, table: Timetable, start: datetime, end: datetime) -> Iterator[datetime]:
    """What is due after the start and up to the end, by what the clock on the wall shows."""
    zone = ZoneInfo(table.timezone)
    goes_on = times.minutes is None or times.hours is None
    now, shown = start, start.astimezone(zone)
    while now < end:
        before, now = shown, now + _STEP
        shown = now.astimezone(zone)
        fits = _fits(times, shown)
        if not goes_on:
            # The second time that it is shown it counts for nothing; what is skipped is due right after that.
            fits = (fits and not shown.fold) or any(_fits(times, local) for local in _skipped(before, shown))
        if fits and (table.calendar is None or business_days.is_business_day(table.calendar, shown.date())):
            yield now


def _skipped(before: datetime, after: datetime) -> Iterator[datetime]:
    """The times that a clock on the wall does not show between two that it shows one after the other."""
    local, until = before.replace(tzinfo=None) + _STEP, after.replace(tzinfo=None)
    while local < until:
        yield local
        local += _STEP


def _fits(times: Times, local: datetime) -> bool:
    parts = ((times.minutes, local.minute), (times.hours, local.hour), (times.weekdays, local.weekday()))
    return all(allowed is None or shown in allowed for allowed, shown in parts)


def _times(dice: random.Random) -> Times:
    """Times of every kind; many of them in the small hours, at which clocks are set."""
    hours = dice.choice((None, dice.sample(range(24), 3), dice.sample(range(4), 2), dice.sample(range(4), 2)))
    minutes = dice.sample(range(0, 60, 5), dice.randint(1, 3))
    weekdays = dice.choice((None, (0, 1, 2, 3, 4), (5, 6), (6,)))
    return Times(tuple(sorted(minutes)), None if hours is None else tuple(sorted(hours)), weekdays)


def _field(allowed: tuple[int, ...] | None) -> str:
    return "*" if allowed is None else ",".join(map(str, allowed))
