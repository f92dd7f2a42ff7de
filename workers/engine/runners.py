"""Runners: how a pool begins the steps that are claimed.

Each is given what is ready, and begins no more at a time than the pool has slots. That of a pool of processes
is in `workers.engine.prefork_runner`.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import Any

from workers.claiming import holding
from workers.engine.handled import HandledStep

log = logging.getLogger(__name__)

#: A step that takes no longer, in seconds, is not worth waking another thread for the one behind it.
SHORT_SECONDS = 0.002
#: One that has waited so long behind such a step, in seconds, gets a thread of its own after all.
WATCH_SECONDS = 0.01
#: The event loop makes sure so often, in seconds, that it hears of what is ready.
LOOK_SECONDS = 0.5
#: What was claimed so long ago, in seconds, and has not begun does not begin: the worker stood still, and
#: recovery may have had it begun elsewhere.
LATE_SECONDS = 3.0
#: Steps that run in the event loop leave it to others after so many seconds.
TURN_SECONDS = 0.02


class Runner(ABC):
    """The steps that are ready, and the slots that they wait for."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._lock = threading.Lock()
        self._ready: deque[HandledStep] = deque()
        #: What a step takes lately, in seconds.
        self.average: float | None = None

    def slots(self) -> int:
        """How many steps may run at a time."""
        return holding.slots(self._consumer)

    def note(self, seconds: float) -> None:
        """Learn from a step that has ended."""
        self.average = seconds if self.average is None else 0.9 * self.average + 0.1 * seconds

    def add(self, requests: Iterable[HandledStep]) -> None:
        """Have steps begun, in this order."""
        with self._lock:
            self._ready.extend(requests)
        self._wake()

    def add_first(self, request: HandledStep) -> None:
        """Have a step begun before those that wait: its job goes on."""
        with self._lock:
            self._ready.appendleft(request)
        self._wake()

    def take_back(self, before: float) -> list[HandledStep]:
        """Take back what was added `before` (monotonic seconds) and waits still."""
        with self._lock:
            stale = [request for request in self._ready if request.ready_at < before]
            for request in stale:
                self._ready.remove(request)
        return stale

    def begun(self) -> list[HandledStep]:
        """The steps that run, as far as the pool has not said so."""
        return []

    def running(self) -> list[tuple[HandledStep, int]]:
        """The steps that run in processes which may be ended, with these."""
        return []

    def register(self) -> None:
        """Join the event loop of the worker; called again after each reconnection."""
        return

    @abstractmethod
    def _wake(self) -> None:
        """Begin what is ready."""

    def _next(self) -> HandledStep | None:
        """The next step that is to begin; without one, None."""
        while True:
            with self._lock:
                step = self._ready.popleft() if self._ready else None
            if step is None or self._is_in_time(step):
                return step

    def _is_in_time(self, step: HandledStep) -> bool:
        """Whether a step may begin; one that was claimed long ago is given back."""
        if time.monotonic() - step.granted_at <= LATE_SECONDS:
            return True
        step.give_back("its worker could not begin it in time")
        return False


class ThreadRunner(Runner):
    """Threads of the pool, each of which goes on while there is something to begin."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self._threads = 0
        self._waited = threading.Event()
        threading.Thread(target=self._watch, name="slots", daemon=True).start()

    def _wake(self) -> None:
        is_short = self.average is not None and self.average < SHORT_SECONDS
        self._start(1 if is_short else self.slots(), besides=not is_short)
        self._waited.set()

    def _start(self, most: int, *, besides: bool) -> None:
        """Have up to `most` threads begin what is ready, `besides` those that are at work."""
        with self._lock:
            needed = min(most, len(self._ready)) + (self._threads if besides else 0)
            more = max(0, min(needed, self.slots()) - self._threads)
            self._threads += more
        for _ in range(more):
            self._consumer.pool.executor.submit(self._go_on)

    def _go_on(self) -> None:
        try:
            while (request := self._next()) is not None:
                request.run_here()
        finally:
            with self._lock:
                self._threads -= 1
        # What came between the last look and the end of this thread.
        if self._ready:
            self._wake()

    def _watch(self) -> None:
        while True:
            self._waited.wait()
            self._waited.clear()
            while self._ready:
                time.sleep(WATCH_SECONDS)
                with self._lock:
                    since = min((request.ready_at for request in self._ready), default=math.inf)
                    behind = since < time.monotonic() - WATCH_SECONDS
                if behind:
                    self._start(self.slots(), besides=True)


class LoopRunner(Runner):
    """The event loop of the worker: steps are begun, and sent to the pool's children, there alone."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self._is_called = False

    def register(self) -> None:
        """Join the event loop of the worker; called again after each reconnection."""
        # A loop that is set up again may have dropped a call.
        self._consumer.hub.call_repeatedly(LOOK_SECONDS, self._turn)
        self._turn()

    def _wake(self) -> None:
        with self._lock:
            is_called, self._is_called = self._is_called, True
        if not is_called:
            self._consumer.hub.call_soon(self._turn)

    def _turn(self) -> None:
        self._is_called = False
        try:
            self._begin()
        except Exception:
            # Raised on, this would end the loop.
            log.exception("steps that are ready could not be begun")

    @abstractmethod
    def _begin(self) -> None:
        """Begin what is ready, in the event loop."""


class SoloRunner(LoopRunner):
    """The worker's only thread."""

    def _begin(self) -> None:
        until = time.monotonic() + TURN_SECONDS
        while time.monotonic() < until:
            request = self._next()
            if request is None:
                return
            request.run_here()
        self._wake()
