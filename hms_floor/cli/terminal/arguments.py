"""Parameter types of the command line: job ids, minutes, lengths of time and moments."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, NoReturn

import click

from hms_floor.cli.terminal import zones
from hms_oms.jobs.tickets import job_number
from hms_oms.recipes.sla_bounds import LEAST_MINUTES, MOST_MINUTES, WORDS
from hms_oms.runtime import clock, format

#: The highest priority that may be set by hand, and below 0 the lowest.
HIGHEST_PRIORITY = 1000
#: What takes a limit away, as it is written.
NO_LIMIT = "none"
#: The largest number that the ledger can keep as a limit.
_MOST = 2**31 - 1
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
_LENGTH = re.compile(r"(?:\d+(?:\.\d+)?(?:min|[smhd]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(min|[smhd])")


class JobId(click.ParamType[int]):
    """`job-219` or `219`."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a job id as people write it."""
        try:
            return value if isinstance(value, int) else job_number(value)
        except ValueError as error:
            return _refuse(self, str(error), param, ctx)


class Minutes(click.ParamType[float]):
    """The minutes of an SLA; fractions are allowed."""

    name = "minutes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read minutes."""
        try:
            minutes = float(value)
        except ValueError:
            minutes = math.nan
        # Written so that NaN, which compares to nothing, is refused.
        if not LEAST_MINUTES <= minutes <= MOST_MINUTES:
            _refuse(self, f"{value!r} is not {WORDS}", param, ctx)
        return minutes


class Length(click.ParamType[timedelta]):
    """A length of time: `90s`, `10m`, `1h30m`, `2d`."""

    name = "length"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read a length of time."""
        try:
            return value if isinstance(value, timedelta) else length(value)
        except ValueError as error:
            return _refuse(self, str(error), param, ctx)


class FieldIsValue(click.ParamType[tuple[str, str]]):
    """A field of a payload and its value, as `countyFips=19153`."""

    name = "field=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read a field and its value."""
        if isinstance(value, tuple):
            return value
        name, sign, text = str(value).partition("=")
        if not name or not sign:
            return _refuse(self, f"{value!r} is not FIELD=VALUE, as in countyFips=19153", param, ctx)
        return name, text


class Limit(click.ParamType[Any]):
    """A whole number from `lowest` on, or `none`; read as a number or as `NO_LIMIT`."""

    name = "N|none"

    def __init__(self, lowest: int) -> None:
        self.lowest = lowest

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a limit."""
        if str(value).lower() == NO_LIMIT:
            return NO_LIMIT
        if not str(value).isascii() or not str(value).isdigit() or not self.lowest <= int(value) <= _MOST:
            _refuse(self, f"{value!r} is neither a whole number from {self.lowest} on nor none", param, ctx)
        return int(value)


def length(written: str) -> timedelta:
    """Read a length of time. Raises ValueError."""
    compact = "".join(written.split()).lower()
    if not _LENGTH.fullmatch(compact):
        raise ValueError(f"{written!r} is not a length of time (write 90s, 10m, 1h30m or 2d)")
    try:
        parts = ((float(number), _UNITS[unit]) for number, unit in _PART.findall(compact))
        return sum((timedelta(**{unit: number}) for number, unit in parts), timedelta())
    except OverflowError:
        raise ValueError(f"{written!r} is too long a time") from None


def moment(written: str, now: datetime, zone: tzinfo) -> datetime:
    """Read a time to come: `14:30` (the next), `2026-11-23 08:00`, with or without an offset, or `+10m`.

    Without an offset it is meant as the clock in `zone` has it. Raises ValueError, also for what is past, and
    for a time that this clock never shows, or shows twice.
    """
    text = written.strip()
    try:
        moment = now + length(text[1:]) if text.startswith("+") else _on_the_clock(text, now, zone)
    except clock.UnclearTime:
        raise
    except (ValueError, OverflowError):
        raise ValueError(
            f"{written!r} is not a time (write 14:30, 2026-11-23 08:00, 2026-11-23T08:00:00+01:00 or +10m)"
        ) from None
    if moment <= now:
        raise ValueError(f"{written!r} is over already: it is {format.minute(now, zone)} now")
    return moment


def future(written: str, now: datetime, option: str) -> datetime:
    """Read a time to come that an option was given. Raises BadParameter."""
    try:
        return moment(written, now, zones.reader())
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def past(written: str, now: datetime, option: str) -> datetime:
    """Read a time that is over: `2h` ago, the last `08:00`, `2026-11-23` or a whole time.

    Raises BadParameter.
    """
    text, zone = written.strip(), zones.reader()
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            here, hour = now.astimezone(zone), time.fromisoformat(text.zfill(5))
            day = here.date() - timedelta(days=hour > here.time())
            return clock.read(f"{day} {hour}", zone)
        return now - length(text) if _LENGTH.fullmatch(text) else clock.read(text, zone)
    except (ValueError, OverflowError):
        fault = f"{written!r} is not a time (write 2h, 08:00, 2026-11-23 or 2026-11-23 08:00)"
        raise click.BadParameter(fault, param_hint=option) from None


def _on_the_clock(text: str, now: datetime, zone: tzinfo) -> datetime:
    if not re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        return clock.read(text, zone)
    hour = time.fromisoformat(text.zfill(5) if text.count(":") == 1 else text.zfill(8))
    here = now.astimezone(zone).replace(tzinfo=None)
    today = datetime.combine(here.date(), hour)
    # On the night when the clocks go back it may come a second time.
    again = today.replace(tzinfo=zone, fold=1).astimezone(UTC) > now
    return clock.at(today if today > here or again else today + timedelta(days=1), zone)


def _refuse(
    kind: click.ParamType[Any], message: str, param: click.Parameter | None, ctx: click.Context | None
) -> NoReturn:
    kind.fail(message, param, ctx)
