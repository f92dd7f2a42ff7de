"""Opening hours as OpenStreetMap writes them: `Mo-Fr 08:00-12:00,13:00-17:00; Sa 09:00-12:00`."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

#: Hours of a day: from one minute after midnight until another one, in order.
Hours = tuple[tuple[int, int], ...]
#: The hours of each day, Monday first.
Week = tuple[Hours, ...]

MINUTES_OF_DAY = 24 * 60
_DAYS = tuple(name[:2] for name in calendar.day_name)
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
#: What is meant, for those who have written something else.
_EXAMPLE = "Mo-Fr 08:00-16:30; Sa 09:00-12:00"


def read(written: str) -> Week:
    """The hours of a week. Raises ValueError, which says what is wrong with them."""
    week: list[list[tuple[int, int]]] = [[] for _ in _DAYS]
    for rule in filter(None, (part.strip() for part in written.split(";"))):
        days, _, hours = rule.partition(" ")
        spans = [_span(word.strip()) for word in hours.split(",")]
        for day in _days(days):
            week[day] += spans
    if not any(week):
        raise ValueError(f"says of no day when the office is open: write hours as {_EXAMPLE}")
    for name, open_hours in zip(_DAYS, week, strict=True):
        open_hours.sort()
        for first, second in pairwise(open_hours):
            if first[1] > second[0]:
                raise ValueError(f"has hours of {name} that overlap: {_told(first)} and {_told(second)}")
    return tuple(tuple(open_hours) for open_hours in week)


def write(week: Week) -> str:
    """The hours of a week, days with the same ones together."""
    rules = []
    for hours, days in groupby(range(len(_DAYS)), key=lambda day: week[day]):
        if hours:
            rules.append(f"{_range(list(days))} {','.join(map(_told, hours))}")
    return "; ".join(rules)


def _days(written: str) -> Iterator[int]:
    for part in written.split(","):
        first, dash, last = part.partition("-")
        start = _day(first)
        end = _day(last) if dash else start
        # Sa-Mo goes on behind Sunday.
        yield from ((start + number) % len(_DAYS) for number in range((end - start) % len(_DAYS) + 1))


def _day(written: str) -> int:
    word = written.strip().casefold()
    for number, name in enumerate(calendar.day_name):
        if len(word) > 1 and name.casefold().startswith(word):
            return number
    raise ValueError(f"{written!r} is no day of the week: write hours as {_EXAMPLE}")


def _span(written: str) -> tuple[int, int]:
    match = _SPAN.fullmatch(written)
    if match is None:
        raise ValueError(f"{written!r} is no span of hours: write hours as {_EXAMPLE}")
    first, last = (60 * int(match[hour]) + int(match[hour + 1]) for hour in (1, 3))
    if int(match[2]) > 59 or int(match[4]) > 59 or last > MINUTES_OF_DAY:
        raise ValueError(f"{written!r} is no span of hours: a day goes from 00:00 to 24:00")
    if first >= last:
        raise ValueError(
            f"{written} ends before it begins: write hours over midnight as two, until 24:00 and from 00:00"
        )
    return first, last


def _range(days: Sequence[int]) -> str:
    first, last = _DAYS[days[0]], _DAYS[days[-1]]
    return first if len(days) == 1 else f"{first}-{last}"


def _told(span: tuple[int, int]) -> str:
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in span)
