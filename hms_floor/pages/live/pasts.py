"""The past of queues in the window of a page, read again as time goes on: once for all who look at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from nicegui import run

from hms_floor.pages.live import feed
from hms_floor.pages.sign_in import session
from hms_floor.presentation.past import past
from hms_floor.presentation.past.past import Past
from hms_floor.presentation.past.window import WINDOWS, Window
from hms_oms.database import health
from hms_ops.foresight.kept import Kept

#: How often a window is drawn again, in seconds: one of moments, of a few hours, and any other.
_EVERY = ((timedelta(minutes=30), 5.0), (timedelta(hours=2), 20.0), (timedelta.max, 60.0))
#: While the ledger does not answer it is tried so often, in seconds.
_AGAIN_SECONDS = 5.0
#: What was read so lately, in seconds, is not read again, however many pages show it.
_LATELY = 4.0
#: What has been read of windows that end now: of one that lies in the past nothing changes.
_kept: Kept[Past] = Kept(_LATELY)


class Pasts:
    """What the charts of a page show: `draw` gets the past of each queue, for a window."""

    def __init__(self, window: Window, zone: ZoneInfo, draw: Callable[[str, Past, Window], None]) -> None:
        self._window, self._zone, self._draw = window, zone, draw
        self._drawn: set[str] = set()
        self._next = self._pause = float("-inf")

    def turn(self, window: Window) -> None:
        """Show another window from now on."""
        self._window, self._drawn = window, set()

    async def look(self, queues: Sequence[str]) -> None:
        """Draw these queues if they were not drawn yet, or what was drawn is too old."""
        window, now = self._window, time.monotonic()
        if window.is_live and now >= self._next:
            self._drawn.clear()
        due = [queue for queue in queues if queue not in self._drawn]
        if not due or now < self._pause or feed.look() is None:
            return
        if not self._drawn:
            self._next = now + next(seconds for length, seconds in _EVERY if window.length <= length)
        try:
            pasts = await run.io_bound(_read, due, window, self._zone)
        except session.AWAY:
            # The page says that its numbers grow old.
            self._pause = time.monotonic() + _AGAIN_SECONDS
            return
        # Another window may have been chosen meanwhile.
        if pasts is None or window is not self._window:
            return
        self._drawn |= pasts.keys()
        for queue, shown in pasts.items():
            self._draw(queue, shown, window)


def _read(queues: Sequence[str], window: Window, zone: ZoneInfo) -> Mapping[str, Past]:
    """The past of queues; not for the event loop."""
    return {queue: _one_of(queue, window, zone) for queue in queues}


def _one_of(queue: str, window: Window, zone: ZoneInfo) -> Past:
    def read() -> Past:
        with feed.connect() as connection:
            since, until = window.span(health.clock(connection))
            return past.read(connection, queue, since, until, window.behind, zone)

    if not window.is_live:
        return read()
    whole = _kept.get(f"{queue}?{window.address}&zone={zone.key}", read)
    reach = feed.reach()
    if WINDOWS[window.name] != timedelta(seconds=feed.REACH_SECONDS) or reach is None:
        return whole
    # The feed knows the last minutes to the moment.
    return replace(whole, since=reach[0], until=reach[1], points=feed.trail(queue))
