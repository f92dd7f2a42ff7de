"""Fronts of the backlogs, and the oldest job in flight, so that nothing before them is read again.

PostgreSQL cannot remove the rows of jobs that have left the front while somebody has a transaction open that
may still see them, and finds the front by passing them all. If that is slow, looks begin where the last one
has found it. What was put before that place meanwhile, as by a promotion, is found by looks from the
beginning that are made beside, for they take long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import cast

import psycopg2
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from hms_oms.database.connections import RawConnection
from hms_oms.jobs.records import Band, Place, Taken
from hms_oms.queues.dispatch_windows import Window, windows

log = logging.getLogger(__name__)

#: A look from the beginning that takes longer than this, in seconds, is not made each time ...
CHEAP_SECONDS = 0.03
#: ... but beside the others, and so seldom that it takes this share of the time.
SHARE = 0.05
#: After one that has failed the next is made so many seconds later.
FAILED_SECONDS = 5.0


class Fronts:
    """The looks of one dispatcher at all windows, one after the other; those beside use `engine`."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fronts")
        self._beside: Future[tuple[list[Window], float]] | None = None
        self._is_cheap = True
        self._again = float("-inf")
        self._places: dict[tuple[str, Band], Place] = {}
        self._in_flight_from: datetime | None = None

    def windows(self, connection: RawConnection) -> list[Window]:
        """The windows of all queues that are not paused."""
        if self._beside is not None and self._beside.done():
            self._go_back(self._beside)
            self._beside = None
        began = self._clock()
        if self._is_cheap:
            open_windows = windows(connection)
            self._weigh(self._clock() - began)
        else:
            if self._beside is None and began >= self._again:
                self._beside = self._thread.submit(self._whole)
            open_windows = windows(connection, self._places, self._in_flight_from)
        self._places |= {
            (window.queue, front.band): front for window in open_windows for front in window.fronts
        }
        self._in_flight_from = open_windows[0].in_flight_from if open_windows else None
        return open_windows

    @property
    def in_flight_from(self) -> datetime | None:
        """The moment since which all jobs in flight were taken; None: they are quickly read anyway."""
        return None if self._is_cheap else self._in_flight_from

    def place(self, queue: str, band: Band = Band.KEPT) -> Place | None:
        """The front of a band of a backlog, as of the last look; None if that is not known."""
        return self._places.get((queue, band))

    def passed(self, queue: str, taken: Sequence[Taken]) -> None:
        """Note what was taken from the front of a backlog."""
        self._places |= {(queue, job.place.band): job.place for job in taken}

    def _whole(self) -> tuple[list[Window], float]:
        """A look from the beginning, and how long it took."""
        began = self._clock()
        with self._engine.connect() as connection:
            open_windows = windows(cast("RawConnection", connection.connection.driver_connection))
        return open_windows, self._clock() - began

    def _go_back(self, beside: Future[tuple[list[Window], float]]) -> None:
        """Go back to what was found before the places known by now."""
        try:
            open_windows, seconds = beside.result()
        except (psycopg2.Error, SQLAlchemyError) as error:
            log.warning("a look at all backlogs failed (%s)", type(error).__name__)
            self._again = self._clock() + FAILED_SECONDS
            return
        self._weigh(seconds)
        for window in open_windows:
            for front in window.fronts:
                key = (window.queue, front.band)
                self._places[key] = min(front, self._places.get(key, front))
            if window.in_flight_from is not None and self._in_flight_from is not None:
                self._in_flight_from = min(window.in_flight_from, self._in_flight_from)

    def _weigh(self, seconds: float) -> None:
        self._is_cheap = seconds <= CHEAP_SECONDS
        self._again = self._clock() + seconds / SHARE
