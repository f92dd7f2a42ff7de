"""Prefetch: how many messages a worker takes from Redis before it claims them."""

from __future__ import annotations

import threading
from typing import Any

from workers.engine.runners import SHORT_SECONDS

#: While steps are short, so many more are taken, and claimed, than there are slots.
MOST_AHEAD = 128


class Prefetch:
    """As many messages as the worker has slots, and more of them while steps are short.

    Otherwise a worker of one slot would take, and claim, its jobs one by one.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._lock = threading.Lock()
        self._is_ahead = False

    def register(self) -> None:
        """Begin again: a new connection takes as many as there are slots."""
        with self._lock:
            self._is_ahead = False

    def fit(self, average: float | None) -> None:
        """Take as many messages as go with what a step takes lately, in seconds."""
        if average is None or SHORT_SECONDS <= average < 2 * SHORT_SECONDS:
            return
        is_short = average < SHORT_SECONDS
        with self._lock:
            if is_short == self._is_ahead:
                return
            self._is_ahead = is_short
            # The event loop tells the channel.
            qos = self._consumer.qos
            (qos.increment_eventually if is_short else qos.decrement_eventually)(MOST_AHEAD)
