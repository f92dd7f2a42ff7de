"""Throttle the pages to one phone. What exceeds the limit is delayed, not dropped."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)
#: At most so many pages within so long, for one phone.
LIMITS = (
    (MINUTE, 1),
    (timedelta(minutes=15), 5),
    (timedelta(hours=1), 11),
    (timedelta(hours=3), 21),
)
#: How far back pages matter.
LONGEST = max(span for span, _ in LIMITS)
#: Texts that only say that something is over.
QUIET_KINDS = ("resolved",)


@dataclass(frozen=True, slots=True)
class Sent:
    """A page that went to a phone, or may have."""

    at: datetime
    kind: str


def free_at(sends: Sequence[Sent], now: datetime, *, urgent: bool) -> datetime:
    """When the next page may go to a phone that got `sends`: `now`, or later.

    Resends and tests count like any other page. One thing is weighed: an `urgent` page, which says that
    something is wrong, does not wait out the minute after a text that only said that something is over. It
    could be the first page of an incident, and a minute is half of some queues' SLA. The
    longer limits count both, so that nobody gets more in a quarter of an hour for it.
    """
    free = now
    for span, most in LIMITS:
        counted = sorted(
            sent.at
            for sent in sends
            if sent.at > now - span and not (urgent and span == MINUTE and sent.kind in QUIET_KINDS)
        )
        if len(counted) >= most:
            free = max(free, counted[-most] + span)
    return free


class Rate:
    """At most `per_second` texts a second, measured by the caller's clock; None: any number."""

    def __init__(self, per_second: float | None) -> None:
        self._per_second = per_second
        self._saved = 1.0
        self._at = time.monotonic()

    def allowed(self, now: float, most: int) -> int:
        """How many of `most` texts may go at `now` (monotonic seconds)."""
        if self._per_second is None:
            return most
        self._saved = min(max(1.0, self._per_second), self._saved + (now - self._at) * self._per_second)
        self._at = now
        return min(most, int(self._saved))

    def spend(self, count: int) -> None:
        """Note that so many texts go."""
        if self._per_second is not None:
            self._saved -= count
