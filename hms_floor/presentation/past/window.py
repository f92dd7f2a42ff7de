"""The window of time of a page and of the API: how far it reaches, and in which steps it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from urllib.parse import urlencode

from hms_oms.runtime import clock, format
from hms_ops.metrics.moments import STEP_SECONDS

#: Windows that end now, by their names in the address.
WINDOWS: Mapping[str, timedelta] = {
    "5m": timedelta(minutes=5),
    "30m": timedelta(minutes=30),
    "2h": timedelta(hours=2),
    "8h": timedelta(hours=8),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
#: What can be drawn behind the curve, and how long before it was.
BEHIND: Mapping[str, timedelta] = {"day": timedelta(days=1), "week": timedelta(days=7)}
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(days=366)
#: No longer window is drawn by moments instead of minutes.
BY_MOMENTS = timedelta(minutes=30)
#: The most steps of a window. Each length of a step divides a day: what is behind has the same steps. Beyond
#: four days they are whole hours, which are read from what was added up.
MOST_STEPS = 400
_STEPS = (60, 120, 300, 600, 900, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Window:
    """A window of time: one of WINDOWS, which goes on with time, or one that lies between two moments."""

    name: str = "5m"
    since: datetime | None = None
    until: datetime | None = None
    behind: str | None = None

    @property
    def is_live(self) -> bool:
        """Whether it ends now."""
        return self.until is None

    @property
    def length(self) -> timedelta:
        """How much time it covers."""
        if self.since is None or self.until is None:
            return WINDOWS[self.name]
        return self.until - self.since

    @property
    def step(self) -> int:
        """The seconds between two of its points."""
        return step_of(self.length)

    @property
    def address(self) -> str:
        """What it is in an address, behind the question mark."""
        if self.since is None or self.until is None:
            fields = {"window": self.name}
        else:
            fields = {"from": _written(self.since), "to": _written(self.until)}
        return urlencode({**fields, **({"behind": self.behind} if self.behind else {})}, safe=":")

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """From when until when it reaches."""
        if self.since is None or self.until is None:
            return now - self.length, now
        return self.since, self.until

    def ending_now(self) -> Window:
        """The window that ends now and is no shorter, with the same behind it."""
        name = next((name for name, length in WINDOWS.items() if length >= self.length), "90d")
        return Window(name, behind=self.behind)

    def with_behind(self, behind: str | None) -> Window:
        """The same with something else behind it."""
        return replace(self, behind=behind)


def step_of(length: timedelta) -> int:
    """The seconds between two points of a window that is so long."""
    if length <= BY_MOMENTS:
        return int(STEP_SECONDS)
    return next(step for step in _STEPS if length / timedelta(seconds=step) <= MOST_STEPS)


def read(fields: Mapping[str, str], zone: tzinfo, now: datetime) -> Window:
    """The window that an address names: the shortest if it names none. Raises ValueError with what is wrong.

    Times without an offset are those of `zone`. What would end later than `now` ends now.
    """
    behind = fields.get("behind") or None
    if behind is not None and behind not in BEHIND:
        raise ValueError(f"behind: there is no {behind!r}; it is one of {', '.join(BEHIND)}")
    since, until = fields.get("from"), fields.get("to")
    if since or until:
        if not (since and until):
            raise ValueError("a window between two times needs both, from and to")
        return between(_moment("from", since, zone), _moment("to", until, zone), now, behind)
    name = fields.get("window") or next(iter(WINDOWS))
    if name not in WINDOWS:
        raise ValueError(f"window: there is no {name!r}; it is one of {', '.join(WINDOWS)}")
    return Window(name, behind=behind)


def between(since: datetime, until: datetime, now: datetime, behind: str | None = None) -> Window:
    """The window between two moments, made as long as the shortest one. Raises ValueError if it is none."""
    if until <= since:
        raise ValueError("the window ends before it begins")
    until = min(until, now)
    since = min(since, until - SHORTEST)
    if until - since > LONGEST:
        raise ValueError("the window is longer than a year")
    return Window(since=since.replace(microsecond=0), until=until.replace(microsecond=0), behind=behind)


def words(window: Window, zone: tzinfo) -> str:
    """A window that lies in the past, in words."""
    assert window.since is not None
    assert window.until is not None
    return f"{format.short(window.since, zone)} to {format.short(window.until, zone)}"


def _moment(field: str, written: str, zone: tzinfo) -> datetime:
    try:
        return clock.read(written, zone)
    except clock.UnclearTime:
        raise
    except ValueError:
        raise ValueError(f"{field}: {written!r} is no time, as 2026-11-23T08:00 is") from None


def _written(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
