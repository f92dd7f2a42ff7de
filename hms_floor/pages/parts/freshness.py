"""Freshness: how old the numbers of a page are.

Every page has one, in its frame: `as of 09:12:04`, which turns amber with words once that is too long ago.
A page reads what it shows by `keep`; what has failed is told by `silence`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from weakref import WeakKeyDictionary

from nicegui import Client, ui

from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.sign_in.api_client import Refused
from hms_oms.runtime import format
from hms_ops import health
from hms_ops.health import Part

#: How often the age is told again, in seconds.
TELL_SECONDS = 1.0
#: No page's numbers are old before this, in seconds; what is read less often may be older.
OLD_SECONDS = 5.0
#: So many times may a reading be missed before its numbers are old.
MISSED = 2.5
#: Numbers of a page that is not read again are old after this, in seconds.
STILL_SECONDS = 300.0

Refresh = Callable[[], Awaitable[None]]


@dataclass
class Source:
    """What a page shows was read at `at` (monotonic seconds) and is read again every `every` seconds."""

    every: float
    at: float = field(default_factory=time.monotonic)
    fault: str | None = None
    #: Never read again: its reader has to load the page.
    still: bool = False

    def old(self, now: float) -> bool:
        """Whether it should have been read again long ago."""
        return now - self.at > (self.every if self.still else max(OLD_SECONDS, MISSED * self.every))


class Freshness:
    """The age of one page's numbers: that of its oldest source."""

    def __init__(self, parts: Callable[[], list[Part]], zone: tzinfo) -> None:
        self._parts, self._zone = parts, zone
        self._sources: list[Source] = []
        _pages[ui.context.client] = self

    def show_age(self) -> None:
        """Place the moment."""
        self._label = ui.label("").classes("as-of number").props('aria-label="Age of the numbers"')

    def show_words(self) -> None:
        """Place the words."""
        self._old = ui.label("").classes("trouble warn")
        self._spoken = Spoken()

    def begin(self) -> None:
        """Tell from now on."""
        self._tell()
        ui.timer(TELL_SECONDS, self._tell, immediate=False)

    def add(self, source: Source) -> Source:
        """Count a source from now on."""
        self._sources.append(source)
        return source

    def _tell(self) -> None:
        now = time.monotonic()
        oldest = min(self._sources, key=lambda source: source.at, default=None)
        self._label.set_visibility(oldest is not None)
        late = next((source for source in self._sources if source.old(now)), None)
        self._old.set_visibility(late is not None)
        if oldest is not None:
            at = datetime.now(self._zone) - timedelta(seconds=now - oldest.at)
            put(self._label, f"as of {at:%H:%M:%S}")
            self._label.classes(add="old") if late else self._label.classes(remove="old")
        sentence = "The numbers are up to date."
        if late is not None:
            sentence = told(late, now, health.troubles(self._parts()))
            put(self._old, sentence)
        self._spoken.say(late is not None, sentence)


def told(source: Source, now: float, troubles: Sequence[Part]) -> str:
    """That a source is old, and why as far as no trouble says it."""
    age = f"The numbers below are {format.about(now - source.at)} old"
    if source.still:
        return f"{age}. Load the page again for those of now."
    if source.fault and not any(part.name == "PostgreSQL" for part in troubles):
        return f"{age}: {source.fault}."
    return f"{age}."


def of_page() -> Freshness:
    """The freshness of the page that is being built."""
    return _pages[ui.context.client]


async def keep(refresh: Refresh, every: float) -> None:
    """Read what a page shows now, and again every so many seconds. Raises Refused for the first time only."""
    source = Source(every)
    await refresh()
    of_page().add(source)

    async def again() -> None:
        began = time.monotonic()
        try:
            await refresh()
        except Refused as refused:
            source.fault = str(refused)
        else:
            source.at, source.fault = began, None

    ui.timer(every, again, immediate=False)


_pages: WeakKeyDictionary[Client, Freshness] = WeakKeyDictionary()
