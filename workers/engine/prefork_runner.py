"""The runner of a pool of processes, whose children run chunks of steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from workers.engine import chunks
from workers.engine.chunks import Chunk
from workers.engine.handled import HandledStep
from workers.engine.runners import SHORT_SECONDS, LoopRunner

#: What a child has said and stands unread is read by the event loop within so many seconds.
HEAR_SECONDS = 0.1


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

    def running(self) -> list[tuple[HandledStep, int]]:
        """The step that each child runs now, with its process."""
        return [running for chunk in list(self._sent) if (running := chunk.running()) is not None]

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
                # It may have been reported meanwhile. A child that has died since is none that was read.
                job._accepted = job._time_accepted is not None
                if not job._accepted and child.dead:
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
        fit = [step for step in steps if self._is_in_time(step) and not self._is_revoked(step)]
        return fit or (self._next_steps() if steps else [])

    def _is_revoked(self, step: HandledStep) -> bool:
        if not step.revoked():
            return False
        step.give_back("its worker takes no more steps")
        return True

    def _over(self, chunk: Chunk, left: Sequence[HandledStep]) -> None:
        """A child is free, and steps of its chunk are to begin after all."""
        self._sent.discard(chunk)
        self._places.append(chunk.place)
        for step in reversed(left):
            step.ready_at = time.monotonic()
            self.add_first(step)
        self._wake()
