"""Requests in flight, each in its own thread: a slow provider delays nothing but its own answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

from hms_oms.daemon import leader_election
from hms_oms.database import connections

T = TypeVar("T")


class InFlight:
    """Requests in flight, by lane; collected by the thread that starts them."""

    def __init__(self) -> None:
        self._airborne: Counter[str] = Counter()
        self._landed: SimpleQueue[tuple[str, Callable[[], None]]] = SimpleQueue()

    @property
    def any(self) -> bool:
        """Whether something is in the air."""
        return self._airborne.total() > 0

    def room(self, lane: str, most: int) -> int:
        """How many more may start in a lane of `most`."""
        return max(0, most - self._airborne[lane])

    def start(self, lane: str, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do `work`, which never raises, in a thread; `then` follows with its result when it is landed."""
        self._airborne[lane] += 1

        def fly() -> None:
            self._landed.put((lane, partial(then, work())))

        # A daemon thread: a process that is told to stop waits for the provider no longer than it says.
        threading.Thread(target=fly, name=f"hms {lane}", daemon=True).start()

    def land(self, seconds: float = 0.0) -> None:
        """Do what follows from the requests that have ended, and from those that end within so many seconds.

        If the database does not take it, or another process leads, it is left for the next time.
        """
        until = time.monotonic() + seconds
        while self.any:
            try:
                landed = self._landed.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                return
            lane, then = landed
            self._airborne[lane] -= 1
            try:
                then()
            except Exception as error:
                if connections.is_passing(error) or leader_election.is_over(error):
                    self._airborne[lane] += 1
                    self._landed.put(landed)
                raise
