"""What a runner begins, what a pool keeps when Redis is lost, and what is sent again or given back."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from workers.engine.chunks import Chunk
from workers.engine.prefork_runner import PreforkRunner
from workers.engine.runners import LATE_SECONDS, Runner, SoloRunner


class Step:
    """A step that is ready, and that a pool is to run."""

    id = "job-1.1.pick"
    limit, soft_limit = 2.0, None
    ready_at = 0.0

    def __init__(self, granted_at: float = math.inf) -> None:
        self.granted_at = granted_at
        self.given_back: str | None = None

    def give_back(self, why: str) -> None:
        """Have it run elsewhere."""
        self.given_back = why

    def revoked(self) -> bool:
        """It may run."""
        return False

    def send_to(self, pool: Any, chunk: Chunk, _: Any) -> bool:
        """Have it on its way, as billiard has it."""
        child = SimpleNamespace(dead=False)
        pool._pool._cache[1] = Sent(pool._pool._cache, child)
        return True


class Sent:
    """A step as billiard has it: written to a child, which has not said that it begins."""

    correlation_id = Step.id
    _accepted = False
    _time_accepted: float | None = None

    def __init__(self, cache: dict[int, Sent], child: Any) -> None:
        self._cache, self._write_to = cache, child

    def discard(self) -> None:
        """Forget it."""
        self._cache.pop(1, None)


def served(pool: Any, flush: Callable[[], None] = lambda: None) -> Any:
    """What a runner knows of the worker that has a pool of one process."""
    return SimpleNamespace(
        pool=SimpleNamespace(_pool=pool, flush=flush, num_processes=1),
        controller=SimpleNamespace(max_tasks_per_child=None),
        hub=SimpleNamespace(call_soon=lambda call: None),
    )


def billiard() -> Any:
    """A pool that has nothing to do."""
    return SimpleNamespace(_cache={}, outbound_buffer=deque(), on_soft_timeout=None, on_hard_timeout=None)


@pytest.mark.parametrize(
    ("what", "is_kept"),
    [("written", True), ("begun meanwhile", True), ("to go to another child", False), ("lost", False)],
)
def test_what_no_child_has_is_sent_again_and_nothing_else(what: str, is_kept: bool) -> None:
    """Celery forgets what was to be written, and keeps what counts as begun even if its child has died."""
    pool = billiard()

    def flush() -> None:
        for sent in [sent for sent in pool._cache.values() if not sent._accepted]:
            sent.discard()
        pool.outbound_buffer.clear()
        for sent in pool._cache.values():
            if what == "begun meanwhile":
                sent._time_accepted = 1.0
            elif what == "lost":
                sent._write_to.dead = True

    consumer = served(pool, flush)
    runner = PreforkRunner(consumer)
    step: Any = Step()
    runner.add([step])
    runner._begin()
    if what == "to go to another child":
        pool.outbound_buffer.append(pool._cache[1])
    consumer.pool.flush()
    assert (1 in pool._cache, runner._next() is step) == (is_kept, not is_kept)
    assert all(sent._accepted == (what == "begun meanwhile") for sent in pool._cache.values())


@pytest.mark.parametrize("kind", [PreforkRunner, SoloRunner])
def test_what_was_claimed_long_ago_does_not_begin(kind: type[Runner]) -> None:
    """A worker that stood still, and goes on, leaves it to those to whom recovery has given it."""
    late: Any = Step(time.monotonic() - LATE_SECONDS - 1)
    pool = billiard()
    runner: Any = kind(served(pool))
    runner.add([late])
    runner._begin()
    assert (late.given_back, pool._cache) == ("its worker could not begin it in time", {})
