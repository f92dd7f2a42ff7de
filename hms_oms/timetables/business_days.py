"""Business calendars: the days on which the offices of a country, a state or an exchange work.

The days are those of the package `holidays`, which comes with the extra `calendars`.
"""

from __future__ import annotations

import difflib
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase


class UnknownCalendar(ValueError):
    """No business calendar has this name, or none can be read here."""


@cache
def calendar(name: str) -> HolidayBase:
    """The calendar of a country (US), a part of one (US-IL) or an exchange (NYSE). Raises UnknownCalendar."""
    try:
        import holidays
    except ModuleNotFoundError:
        raise UnknownCalendar(
            "calendars come with an extra: pip install 'hms-management-layer[calendars]'"
        ) from None
    country, _, part = name.partition("-")
    try:
        if part:
            return holidays.country_holidays(country, subdiv=part)
        if country in holidays.list_supported_financial():
            return holidays.financial_holidays(country)
        return holidays.country_holidays(country)
    except NotImplementedError:
        raise UnknownCalendar(f"{name!r} is not a calendar{_nearest(name)}") from None


def is_business_day(name: str, day: date) -> bool:
    """Whether the offices of this calendar work on a day. Raises UnknownCalendar."""
    return calendar(name).is_working_day(day)


def is_holiday(name: str, day: date) -> bool:
    """Whether a day is a holiday in this calendar, and not only a weekend. Raises UnknownCalendar."""
    return day in calendar(name)


def _nearest(name: str) -> str:
    import holidays

    parts = holidays.list_supported_countries()
    known = [*parts, *holidays.list_supported_financial()]
    known += [f"{country}-{part}" for country, codes in parts.items() for part in codes]
    near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ", as US, US-IL and NYSE are"
