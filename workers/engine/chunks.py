"""Chunks: short steps that a child of the pool runs one after another, for one message each way.

A child notes in memory that it shares with its parent how many steps of its chunk it has begun. So the parent
knows which of them has ended the child. None but the first begins after `CHUNK_SECONDS`, by the clock that
both share: what has not begun by then never does, and need not wait for a step that takes long after all.
"""

from __future__ import annotations

import logging
import mmap
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from celery import signals

from workers.engine.handled import HandledStep

log = logging.getLogger(__name__)

#: No more steps are sent to a child at once.
MOST_STEPS = 8
#: A child begins the steps behind the first one within so many seconds, or not at all.
CHUNK_SECONDS = 0.05
#: So many chunks may be on their way: as many as a pool may have children.
PLACES = 4096

_begun = mmap.mmap(-1, PLACES)


@signals.worker_init.connect(weak=False)
def prepare(**_: Any) -> None:
    """Share nothing with other workers, which may be forks of the same process; before there are children."""
    global _begun
    _begun = mmap.mmap(-1, PLACES)


def run_each(
    place: int, until: float, calls: Sequence[Any], run: Callable[..., Any]
) -> list[tuple[float, Any]]:
    """Run the steps of a chunk in a child; of each that has begun, when that was and what `run` returned."""
    results: list[tuple[float, Any]] = []
    for number, call in enumerate(calls, 1):
        # First, so that the parent takes nothing back that is about to begin.
        _begun[place] = number
        now = time.monotonic()
        if results and now > until:
            _begun[place] = number - 1
            break
        results.append((now, run(*call)))
    return results


@contextmanager
def _apart(step: HandledStep) -> Iterator[None]:
    """Tell one step how it went: should that raise, the others are told all the same."""
    try:
        yield
    except Exception:
        log.exception("%s could not be told how it went", step.id)


def _give_back(steps: Iterable[HandledStep], why: str) -> None:
    for step in steps:
        with _apart(step):
            step.give_back(why)


class Chunk:
    """Steps that were sent to a child together; `over` hears of its end, and which of them have not begun."""

    def __init__(
        self,
        place: int,
        steps: Sequence[HandledStep],
        over: Callable[[Chunk, Sequence[HandledStep]], None],
    ) -> None:
        self.place = place
        self.until = time.monotonic() + CHUNK_SECONDS
        self._lock = threading.Lock()
        self._first, self._steps = steps[0], list(steps)
        self._over = over
        self._failed: HandledStep | None = None
        self._pid = 0
        _begun[place] = 0

    @property
    def id(self) -> str:
        """The id of its first step, which names the chunk in the pool."""
        return self._first.id

    def send(self, pool: Any) -> None:
        """Have a child of the pool run the steps."""
        sent = False
        try:
            sent = self._first.send_to(pool, self, self._steps)
        finally:
            if not sent:
                _give_back(self.withdraw(), "its worker takes no more steps")
                self._over(self, [])

    def take_back(self, before: float) -> list[HandledStep]:
        """Take back what could have begun `before` (monotonic seconds) only, and has not."""
        if self.until >= before:
            return []
        with self._lock:
            begun = max(1, _begun[self.place])
            self._steps, left = self._steps[:begun], self._steps[begun:]
        return left

    def begun(self) -> list[HandledStep]:
        """The steps of it that its child has begun, and that are not known to be over."""
        with self._lock:
            return self._steps[: _begun[self.place]]

    def running(self) -> tuple[HandledStep, int] | None:
        """The step that its child runs now, with its process; None while that has not said that it begins."""
        begun = self.begun()
        return (begun[-1], self._pid) if begun and self._pid else None

    def withdraw(self) -> list[HandledStep]:
        """Take all out of it."""
        with self._lock:
            self._steps, left = [], self._steps
        return left

    # What the pool tells

    def accepted(self, pid: int, at: float) -> None:
        """A child has received the chunk, and begins its first step."""
        self._pid = pid
        self._first.on_accepted(pid, at)

    def succeeded(self, results: Sequence[tuple[float, Any]]) -> None:
        """The child has run the steps, or those that it had the time for."""
        # Before they are withdrawn: at each moment they are known to have begun.
        for step, (began, _) in zip(self.begun()[1:], results[1:], strict=False):
            with _apart(step):
                step.on_accepted(self._pid, began)
        steps = self.withdraw()
        for step, (_, result) in zip(steps, results, strict=False):
            with _apart(step):
                try:
                    step.on_success(result)
                except Exception:
                    step.give_back("its worker could not report it")
                    raise
        self._over(self, steps[len(results) :])

    def failed(self, error: Any) -> None:
        """The child has died or was ended: one of the steps is the cause, and no result has come of any."""
        steps = self.withdraw()
        begun = min(max(1, _begun[self.place]), len(steps))
        self._failed = steps[begun - 1]
        if begun > 1:
            with _apart(self._failed):
                self._failed.on_accepted(self._pid, time.monotonic())
        with _apart(self._failed):
            self._failed.on_failure(error)
        _give_back(steps[: begun - 1], "its worker could not report it")
        _give_back(steps[begun:], "its worker could not begin it")
        self._over(self, [])

    def timed_out(self, soft: bool, timeout: float) -> None:
        """The pool has ended the child, or warned it: a step has run past its time limit."""
        (self._failed or self._first).on_timeout(soft, timeout)
