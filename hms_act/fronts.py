"""Where the fronts of backlogs and the oldest job in flight are, so that nothing before them is read again.

PostgreSQL cannot remove the rows of jobs that have left the front while somebody has a transaction open that
may still see them, and finds the front by passing them all. If that is slow, most looks begin where the last
one has found it, and only some at the very beginning. These find what was put before that place meanwhile, as
by a promotion.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from hms_oms.database.connections import RawConnection
from hms_oms.jobs.records import Place, Taken
from hms_oms.queues.dispatch_windows import Window, windows

#: A look from the beginning that takes longer than this, in seconds, is not made each time ...
CHEAP_SECONDS = 0.01
#: ... but so seldom that it takes this share of the time.
SHARE = 0.05


class Fronts:
    """The looks of one dispatcher at all windows, one after the other."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._again = float("-inf")
        self._whole = True
        self._places: dict[str, Place] = {}
        #: The moment since which all jobs in flight were taken; None if that is not known.
        self.in_flight_from: datetime | None = None

    def windows(self, connection: RawConnection) -> list[Window]:
        """The windows of all queues that are not paused."""
        began = self._clock()
        self._whole = began >= self._again
        places, since = ({}, None) if self._whole else (self._places, self.in_flight_from)
        open_windows = windows(connection, places, since)
        now = self._clock()
        if self._whole and now - began > CHEAP_SECONDS:
            self._again = now + (now - began) / SHARE
        self._places |= {window.queue: window.front for window in open_windows if window.front is not None}
        self.in_flight_from = open_windows[0].in_flight_from if open_windows else None
        return open_windows

    def place(self, queue: str) -> Place | None:
        """The front of a backlog, as of the last look; None if that is not known."""
        return self._places.get(queue)

    def passed(self, queue: str, taken: Sequence[Taken]) -> None:
        """Note what was taken from the front of a backlog."""
        if taken:
            self._places[queue] = taken[-1].place
