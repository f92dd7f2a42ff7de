"""What takes a while to foresee is kept for a while: however many people look, it is foreseen once."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

#: A forecast is kept so many times as long as it took: at most a twentieth of a core goes into one.
TIMES = 20.0
#: It is kept at least so long unless another time is said, in seconds.
LEAST_SECONDS = 1.0
#: What should have been read again so long ago is waited for, in seconds.
PATIENCE_SECONDS = 10.0

Value = TypeVar("Value")


class _Entry(NamedTuple, Generic[Value]):
    value: Value
    until: float


class Kept(Generic[Value]):
    """Values by name, as one process has read them lately."""

    def __init__(self, least_seconds: float | None = None) -> None:
        """Keep each for at least so many seconds."""
        self._least = least_seconds
        self._entries: dict[str, _Entry[Value]] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def get(self, name: str, read: Callable[[], Value]) -> Value:
        """The value of a name, read again if it is too old.

        While one reads it, all others take the older one, unless that is much too old.
        """
        entry, now = self._entries.get(name), time.monotonic()
        if entry is not None and now < entry.until:
            return entry.value
        if not self._locks[name].acquire(blocking=entry is None or now > entry.until + PATIENCE_SECONDS):
            assert entry is not None
            return entry.value
        try:
            newer = self._entries.get(name)
            if newer is None or newer is entry:
                began = time.monotonic()
                value = read()
                ended = time.monotonic()
                least = LEAST_SECONDS if self._least is None else self._least
                seconds = max(least, TIMES * (ended - began))
                newer = self._entries[name] = _Entry(value, ended + seconds)
            return newer.value
        finally:
            self._locks[name].release()
