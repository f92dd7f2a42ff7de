"""Piles: what comes from many threads is worked off by one, all that is there at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

log = logging.getLogger(__name__)


class Pile(Generic[Item]):
    """Calls `work` with all that has come since its last call; what comes meanwhile makes the next one.

    `linger`, asked with how much there is, says for how many seconds to wait for more.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], None],
        linger: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        self._name, self._work, self._linger = name, work, linger
        self._changed = threading.Condition()
        self._items: list[Item] = []
        self._is_working = False
        self._thread: threading.Thread | None = None

    def put(self, item: Item) -> None:
        """Add to the pile; returns at once."""
        with self._changed:
            self._items.append(item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def finish(self, seconds: float) -> bool:
        """Wait until all is worked off, for so many seconds at most; whether it is."""
        until = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._items and not self._is_working, max(0.0, until - time.monotonic())
            )

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_working = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._items)
                pause = self._linger(len(self._items))
            if pause:
                time.sleep(pause)
            with self._changed:
                items, self._items = self._items, []
                self._is_working = True
            try:
                self._work(items)
            except Exception:
                log.exception("%s: %d could not be worked off", self._name, len(items))
