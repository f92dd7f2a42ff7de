"""Time zones, local times that are read without guessing, the days of a zone, and durations of days."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

#: Names in the zone files that are no zones, or that no browser knows.
_OTHERS = re.compile(r"(posix|right)/.*|localtime|posixrules|Factory")
#: Other names of it, as machines are set up with.
_UTC = ("Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu")
_SECOND = timedelta(seconds=1)
#: A duration that is never over, as it is written.
NEVER = "never"
_DAYS = {"d": 1, "w": 7, "y": 365}
_DURATION = re.compile(r"([1-9][0-9]{0,4})([dwy])")
_MOST_DAYS = 36500


class UnclearTime(ValueError):
    """A local time that its zone has never, or has twice."""


def zone(name: str) -> ZoneInfo:
    """The zone with this IANA name. Raises ValueError, with the nearest names."""
    known = _known(name)
    if known is None:
        raise ValueError(f"{name!r} is not a time zone{_nearest(name)}")
    return known


def missing() -> bool:
    """Whether this machine has no time zones at all: neither the system's files nor the package."""
    try:
        ZoneInfo("America/New_York")
    except (KeyError, ValueError, OSError):
        return True
    return False


def machine_zone(environ: Mapping[str, str] = os.environ, etc: Path = Path("/etc")) -> str:
    """The name of this machine's zone; UTC if it has none that can be named."""
    linked = str((etc / "localtime").resolve()).partition("zoneinfo/")[2]
    for name in (environ.get("TZ", "").removeprefix(":").partition("zoneinfo/"), ("", "", linked)):
        # Asked for often: nobody is to be told of the nearest names, which all zone files are read for.
        known = _known(name[2] or name[0])
        if known is not None:
            return "UTC" if known.key in _UTC else known.key
    return "UTC"


def read(written: str, where: tzinfo) -> datetime:
    """The moment of an ISO 8601 time with an offset, or as the clock in `where` has it; a day is its start.

    Raises UnclearTime for a local time that does not exist or exists twice, ValueError for what is no time.
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", written):
        return midnight(date.fromisoformat(written), where).astimezone(UTC)
    moment = datetime.fromisoformat(written)
    return moment.astimezone(UTC) if moment.tzinfo else at(moment, where)


def at(local: datetime, where: tzinfo) -> datetime:
    """The moment of a local time. Raises UnclearTime if there is none, or if there are two."""
    first, second = (local.replace(tzinfo=where, fold=fold) for fold in (0, 1))
    before, after = _offset(first), _offset(second)
    if before == after:
        return first.astimezone(UTC)
    if before > after:
        raise UnclearTime(
            f"{_plain(local)} is there twice in {where}, where the clocks go back:"
            f" write {_written(first)} ({first:%Z}) or {_written(second)} ({second:%Z})"
        )
    turn = _turn(local, where, before, after)
    last, next_one = ((moment).astimezone(where) for moment in (turn - _SECOND, turn))
    raise UnclearTime(
        f"{_plain(local)} does not exist in {where}: the clocks go forward from"
        f" {_plain(last)} {last:%Z} to {_plain(next_one)} {next_one:%Z}"
    )


def twice(when: datetime, where: tzinfo) -> bool:
    """Whether the clock in `where` shows this time of day a second time, an hour before or after."""
    here = when.astimezone(where)
    return _offset(here.replace(fold=0)) > _offset(here.replace(fold=1))


def midnight(day: date, where: tzinfo) -> datetime:
    """The first moment of a day, as the clock in `where` has it; some zones have days that begin at one."""
    return datetime.combine(day, time(), where).astimezone(UTC).astimezone(where)


def day_of(when: datetime, where: tzinfo) -> tuple[datetime, datetime]:
    """The day in which `when` lies, from its first moment until before the next day's; 23 to 25 hours."""
    today = when.astimezone(where).date()
    return midnight(today, where), midnight(today + timedelta(days=1), where)


def _turn(local: datetime, where: tzinfo, before: timedelta, after: timedelta) -> datetime:
    """The moment at which the clocks went forward over `local`, to the second."""
    low, high = ((local - offset).replace(tzinfo=UTC, microsecond=0) for offset in (after, before))
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        low, high = (low, middle) if _offset(middle.astimezone(where)) == after else (middle, high)
    return high


def _offset(when: datetime) -> timedelta:
    return when.utcoffset() or timedelta(0)


def _plain(when: datetime) -> str:
    whole = when.second == 0 and when.microsecond == 0
    return f"{when:%Y-%m-%d %H:%M}" if whole else f"{when:%Y-%m-%d %H:%M:%S}"


def _written(when: datetime) -> str:
    whole = when.second == 0 and when.microsecond == 0
    return when.isoformat(" ", "minutes" if whole else "auto")


def _known(name: str) -> ZoneInfo | None:
    try:
        return None if _OTHERS.fullmatch(name) else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _nearest(name: str) -> str:
    by_folded = {known.casefold(): known for known in available_timezones()}
    near = difflib.get_close_matches(name.strip().replace(" ", "_").casefold(), by_folded, n=1, cutoff=0.7)
    return f"; did you mean {by_folded[near[0]]}?" if near else ", as America/Chicago is"


def read_duration(written: str) -> timedelta | None:
    """Read how long something is kept: `90d`, `26w`, `2y`, or `never` removed (None). Raises ValueError."""
    if written == NEVER:
        return None
    match = _DURATION.fullmatch(written)
    days = int(match[1]) * _DAYS[match[2]] if match else 0
    if not 1 <= days <= _MOST_DAYS:
        raise ValueError(f"must be a time as 90d, 26w or 2y, at most 100 years, or never, not {written!r}")
    return timedelta(days=days)


def write_duration(duration: timedelta | None) -> str:
    """How long something is kept, as it is written: in days."""
    return NEVER if duration is None else f"{duration.days}d"
