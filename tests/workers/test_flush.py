"""What a worker's pool of processes keeps when Redis is lost, and what is sent again."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from workers.engine.chunks import Chunk
from workers.engine.runners import PreforkRunner


class Step:
    """A step that is ready, and that a pool is to run."""

    id = "job-1.1.pick"
    limit, soft_limit = 2.0, None
    ready_at = 0.0

    def revoked(self) -> bool:
        """It may run."""
        return False

    def send_to(self, pool: Any, chunk: Chunk, _: Any) -> bool:
        """Have it on its way, as billiard has it."""
        child = SimpleNamespace(_is_alive=lambda: True)
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


@pytest.mark.parametrize(
    ("what", "is_kept"),
    [("written", True), ("begun meanwhile", True), ("to go to another child", False), ("lost", False)],
)
def test_what_no_child_has_is_sent_again_and_nothing_else(what: str, is_kept: bool) -> None:
    """Celery forgets what was to be written, and keeps what counts as begun even if its child has died."""
    pool = SimpleNamespace(_cache={}, outbound_buffer=deque(), on_soft_timeout=None, on_hard_timeout=None)

    def flush() -> None:
        for sent in [sent for sent in pool._cache.values() if not sent._accepted]:
            sent.discard()
        pool.outbound_buffer.clear()
        for sent in pool._cache.values():
            if what == "begun meanwhile":
                sent._time_accepted = 1.0
            elif what == "lost":
                sent._write_to._is_alive = lambda: False

    consumer = SimpleNamespace(
        pool=SimpleNamespace(_pool=pool, flush=flush, num_processes=1),
        controller=SimpleNamespace(max_tasks_per_child=None),
        hub=SimpleNamespace(call_soon=lambda call: None),
    )
    runner = PreforkRunner(consumer)
    step: Any = Step()
    runner.add([step])
    runner._begin()
    if what == "to go to another child":
        pool.outbound_buffer.append(pool._cache[1])
    consumer.pool.flush()
    assert (1 in pool._cache, runner._next() is step) == (is_kept, not is_kept)
    assert all(sent._accepted == (what == "begun meanwhile") for sent in pool._cache.values())
