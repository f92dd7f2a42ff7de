"""Coverage of a rota: in which hours of the week does nobody stand on a step of the escalation policy?

Shifts follow the clock on the wall, so an instant is uncovered if its weekday and time of day are. The hours
of the plain week therefore hold in weeks with a change of the clock, too: a skipped hour does not come, a
repeated one comes twice. `spans` gives the real instants.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hms_ops.documents import calling
from hms_ops.oncall.oncall import DAYS, Document, on_call, zone

_DAY_MINUTES = 24 * 60
_WEEK_MINUTES = 7 * _DAY_MINUTES
#: How far ahead the next uncovered span is looked for: a week, and the hour that a change of the clock adds.
AHEAD = timedelta(days=7, hours=2)


@dataclass(frozen=True, slots=True)
class Gap:
    """Hours of the week, by the wall clock: from a weekday (0 is Monday) and time until another.

    `steps` are the steps, from 1, on which nobody stands; `nobody` says that these are all.
    """

    weekday: int
    begins: time
    last_weekday: int
    ends: time
    minutes: int
    steps: tuple[int, ...]
    nobody: bool

    def document(self) -> calling.Gap:
        """As the API shows it, as `Sat 18:00` until `Mon 07:00`."""
        return calling.Gap(
            begins=f"{DAYS[self.weekday].capitalize()} {self.begins:%H:%M}",
            ends=f"{DAYS[self.last_weekday].capitalize()} {self.ends:%H:%M}",
            hours=self.minutes / 60,
            steps=self.steps,
            nobody=self.nobody,
        )

    def __str__(self) -> str:
        """As `Sat 18:00 - Mon 07:00`; a gap of the whole week is `the whole week`."""
        if self.minutes == _WEEK_MINUTES:
            return "the whole week"
        begins = f"{DAYS[self.weekday].capitalize()} {self.begins:%H:%M}"
        same_day = self.weekday == self.last_weekday and self.minutes < _DAY_MINUTES
        until = (
            f"{self.ends:%H:%M}" if same_day else f"{DAYS[self.last_weekday].capitalize()} {self.ends:%H:%M}"
        )
        return f"{begins} - {until}"


def gaps(document: Document) -> list[Gap]:
    """The hours of a plain week in which some step has nobody, from Monday on.

    One that goes on over Sunday's midnight is not cut there.
    """
    marks = sorted({0, *_marks(document)})
    pieces = [
        (begin, end, _empty_steps(document, begin))
        for begin, end in zip(marks, [*marks[1:], _WEEK_MINUTES], strict=True)
    ]
    merged: list[tuple[int, int, tuple[int, ...]]] = []
    for begin, end, steps in pieces:
        if merged and merged[-1][2] == steps:
            merged[-1] = (merged[-1][0], end, steps)
        else:
            merged.append((begin, end, steps))
    if len(merged) > 1 and merged[0][2] == merged[-1][2]:
        (_, first_end, steps), (last_begin, _, _) = merged.pop(0), merged.pop()
        merged.append((last_begin, _WEEK_MINUTES + first_end, steps))
    every = len(document["steps"])
    return [_gap(begin, end, steps, nobody=len(steps) == every) for begin, end, steps in merged if steps]


def spans(document: Document, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """The instants from `since` to `until` in which nobody stands on any step, in UTC."""
    here = zone(document)
    marks = sorted({mark for mark in instants(document, here, since, until) if since < mark < until})
    edges = [since.astimezone(UTC), *marks, until.astimezone(UTC)]
    uncovered: list[tuple[datetime, datetime]] = []
    for begin, end in itertools.pairwise(edges):
        if begin == end or any(step.recipients for step in on_call(document, begin)):
            continue
        if uncovered and uncovered[-1][1] == begin:
            uncovered[-1] = (uncovered[-1][0], end)
        else:
            uncovered.append((begin, end))
    return uncovered


def next_cover(document: Document, now: datetime) -> tuple[datetime, tuple[str, ...]] | None:
    """Next time that somebody is on call, and who; None if nobody is within a week."""
    for begin, end in spans(document, now, now + AHEAD):
        if begin > now:
            break
        if end < now + AHEAD:
            names = (recipient.name for step in on_call(document, end) for recipient in step.recipients)
            return end, tuple(dict.fromkeys(names))
    return None


def _marks(document: Document) -> Iterator[int]:
    """The minutes of the week at which a shift begins or ends."""
    for shift in document.get("shifts", ()):
        for day in range(7):
            for clock in (shift["from"], shift["until"]):
                wall = time.fromisoformat(clock)
                yield day * _DAY_MINUTES + wall.hour * 60 + wall.minute


def _empty_steps(document: Document, minute: int) -> tuple[int, ...]:
    """The steps, from 1, on which nobody stands at a minute of the plain week."""
    # Any week does, in a zone without changes of the clock: 2024 began on a Monday.
    plain = {**document, "timezone": "UTC"}
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    policy = on_call(plain, moment)
    return tuple(number for number, step in enumerate(policy, start=1) if not step.recipients)


def _gap(begin: int, end: int, steps: Sequence[int], *, nobody: bool) -> Gap:
    weekday, begins = divmod(begin, _DAY_MINUTES)
    last_weekday, ends = divmod(end, _DAY_MINUTES)
    return Gap(
        weekday,
        time(*divmod(begins, 60)),
        last_weekday % 7,
        time(*divmod(ends, 60)),
        end - begin,
        tuple(steps),
        nobody,
    )


def instants(document: Document, here: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """All instants in a stretch of time at which coverage may change."""
    walls = {
        time.fromisoformat(shift[edge]) for shift in document.get("shifts", ()) for edge in ("from", "until")
    }
    day = since.astimezone(here).date() - timedelta(days=1)
    last = until.astimezone(here).date() + timedelta(days=1)
    while day <= last:
        # Midnight begins the next weekday.
        for wall in {*walls, time(0)}:
            for fold in (0, 1):
                yield datetime.combine(day, wall.replace(fold=fold), here).astimezone(UTC)
        yield from _changes(here, day)
        day += timedelta(days=1)


def _changes(here: ZoneInfo, day: date) -> Iterator[datetime]:
    """The instants of a day at which its clock is changed, to the minute."""
    begin = datetime.combine(day, time(0), UTC)
    low, high = begin, begin + timedelta(days=1)
    if low.astimezone(here).utcoffset() == high.astimezone(here).utcoffset():
        return
    while high - low > timedelta(minutes=1):
        middle = low + timedelta(minutes=(high - low) // timedelta(minutes=2))
        if middle.astimezone(here).utcoffset() == low.astimezone(here).utcoffset():
            low = middle
        else:
            high = middle
    yield high
