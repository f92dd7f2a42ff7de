"""Notice a worker that is connected to Redis but takes no messages from its queues."""

from __future__ import annotations

from collections.abc import Sequence

import redis

from hms_oms.broker import waiting_tickets

#: A worker with free slots takes what stands in its queues within so many seconds, or is deaf.
DEAF_SECONDS = 15.0
#: How often Redis is asked, in seconds.
ASK_SECONDS = 2.0


class QueueWatch:
    """Judges by what stands in the lists now, and by how many messages the worker has taken so far."""

    def __init__(self, broker_url: str) -> None:
        self._redis = waiting_tickets.client(broker_url)
        self._asked_at = float("-inf")
        self._received = -1
        self._since: float | None = None

    def is_deaf(self, now: float, queues: Sequence[str], *, free: int, received: object) -> bool:
        """Whether the worker has long not taken what it could; `received` counts what it took."""
        if now - self._asked_at < ASK_SECONDS:
            return False
        self._asked_at = now
        count = sum(received.values()) if isinstance(received, dict) else 0
        taken, self._received = count != self._received, count
        if taken or free <= 0 or not self._stands(queues):
            self._since = None
            return False
        self._since = self._since if self._since is not None else now
        return now - self._since > DEAF_SECONDS

    def _stands(self, queues: Sequence[str]) -> bool:
        try:
            return any(self._redis.llen(key) for queue in queues for key in waiting_tickets.keys(queue))
        except redis.RedisError:
            return False
