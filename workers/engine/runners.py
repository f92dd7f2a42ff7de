"""Runners: how a pool begins the steps that are claimed.

Each is given what is ready, and begins no more at a time than the pool has slots.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from workers.claiming import holding
from workers.engine import chunks
from workers.engine.chunks import Chunk
from workers.engine.handled import HandledStep

log = logging.getLogger(__name__)

#: A step that takes no longer, in seconds, is not worth waking another thread for the one behind it.
SHORT_SECONDS = 0.002
#: One that has waited so long behind such a step, in seconds, gets a thread of its own after all.
WATCH_SECONDS = 0.01
#: The event loop makes sure so often, in seconds, that it hears of what is ready.
LOOK_SECONDS = 0.5
#: What a child has said and stands unread is read by the event loop within so many seconds.
HEAR_SECONDS = 0.1
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

    def register(self) -> None:
        """Join the event loop of the worker; called again after each reconnection."""
        return

    @abstractmethod
    def _wake(self) -> None:
        """Begin what is ready."""

    def _next(self) -> HandledStep | None:
        with self._lock:
            return self._ready.popleft() if self._ready else None


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


class PreforkRunner(LoopRunner):
    """The pool's children, each of which runs a chunk of steps at a time: of long ones, one."""

    def __init__(self, consumer: Any) -> None:
        super().__init__(consumer)
        self._places = list(range(chunks.PLACES))
        self._sent: set[Chunk] = set()
        # Celery counts a chunk as one task.
        self._are_counted = consumer.controller.max_tasks_per_child is not None
        self._flush_pool = consumer.pool.flush
        consumer.pool.flush = self._flush
        pool = consumer.pool._pool
        pool.on_soft_timeout = self._once_read(pool.on_soft_timeout)
        pool.on_hard_timeout = self._once_read(pool.on_hard_timeout)

    def take_back(self, before: float) -> list[HandledStep]:
        """Take back what was added `before` (monotonic seconds) and waits, here or behind a long step."""
        stale = super().take_back(before)
        for chunk in list(self._sent):
            stale += chunk.take_back(before)
        return stale

    def begun(self) -> list[HandledStep]:
        """The steps that children have begun: their parent hears of it once it reads what they say."""
        return [step for chunk in list(self._sent) for step in chunk.begun()]

    def _flush(self) -> None:
        """Have the pool forget, after Redis was lost, the steps that no child has; those are sent again.

        Celery's own flush forgets all that no child has reported as begun, since its broker hands those
        out again. A step that is claimed runs where it was sent.
        """
        pool = self._consumer.pool._pool
        jobs = pool._cache
        # One whose child has died is to be sent to another.
        sent = {
            job: job._write_to
            for job in jobs.values()
            if job._write_to is not None and not job._accepted and job not in pool.outbound_buffer
        }
        for job in sent:
            job._accepted = True
        try:
            self._flush_pool()
        finally:
            for job, child in sent.items():
                # It may have been reported meanwhile, or the child may have died.
                job._accepted = job._time_accepted is not None
                if not job._accepted and not child._is_alive():
                    job.discard()
        kept = {job.correlation_id for job in jobs.values()}
        for chunk in [chunk for chunk in self._sent if chunk.id not in kept]:
            self._over(chunk, chunk.withdraw())

    def _once_read(self, end: Callable[[Any], None]) -> Callable[[Any], None]:
        """End no step for its time limit before all is read that its child has said: it may be over.

        The worker may have stood still, or have waited for Redis, since long before the limit.
        """

        def on_timeout(job: Any) -> None:
            child = job._write_to
            if child is not None and not child.outq._reader.closed and child.outq._reader.poll(0):
                self._consumer.hub.call_later(HEAR_SECONDS, on_timeout, job)
            elif not job.ready():
                end(job)

        return on_timeout

    def _begin(self) -> None:
        while len(self._sent) < self.slots():
            steps = self._next_steps()
            if not steps:
                return
            chunk = Chunk(self._places.pop(), steps, self._over)
            self._sent.add(chunk)
            chunk.send(self._consumer.pool)

    def _next_steps(self) -> list[HandledStep]:
        """What a child is to run next: while steps are short its share of them, which have one time limit."""
        with self._lock:
            ready, steps = self._ready, list[HandledStep]()
            is_short = self.average is not None and self.average < SHORT_SECONDS
            share = math.ceil(len(ready) / self.slots()) if is_short and not self._are_counted else 1
            while ready and len(steps) < min(share, chunks.MOST_STEPS):
                if steps and (ready[0].limit, ready[0].soft_limit) != (steps[0].limit, None):
                    break
                steps.append(ready.popleft())
        revoked = [step for step in steps if step.revoked()]
        if not revoked:
            return steps
        for step in revoked:
            step.give_back("its worker takes no more steps")
        return [step for step in steps if step not in revoked] or self._next_steps()

    def _over(self, chunk: Chunk, left: Sequence[HandledStep]) -> None:
        """A child is free, and steps of its chunk are to begin after all."""
        self._sent.discard(chunk)
        self._places.append(chunk.place)
        for step in reversed(left):
            step.ready_at = time.monotonic()
            self.add_first(step)
        self._wake()


#: The runners by the modules of Celery's pools.
_RUNNERS: dict[str, type[Runner]] = {
    "celery.concurrency.prefork": PreforkRunner,
    "celery.concurrency.solo": SoloRunner,
    "celery.concurrency.thread": ThreadRunner,
}


def runner(consumer: Any) -> Runner | None:
    """The runner for a worker's pool; None for a pool that is none of those known here."""
    kind = _RUNNERS.get(type(consumer.pool).__module__)
    return kind(consumer) if kind is not None and consumer.hub is not None else None
