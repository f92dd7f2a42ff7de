"""Sliding windows: counts, sums and percentiles of the last five minutes, in memory that does not grow.

Percentiles come from a histogram whose buckets grow by a constant factor (the mapping of DDSketch: Masson,
Rim and Lee 2019), so that an estimate is within one percent of the true value, however small or large.
"""

from __future__ import annotations

import math

#: How long a window is, in seconds, and the buckets of time that it slides by.
WINDOW_SECONDS = 300.0
BUCKET_SECONDS = 5.0
#: How far an estimated percentile may be from the true one, as a share of it.
ERROR = 0.01
#: Times are told apart from this on and up to that (30 years), in seconds; that makes 1,381 buckets.
LEAST, MOST = 0.001, 1e9

GAMMA = (1 + ERROR) / (1 - ERROR)
_LOG_GAMMA = math.log(GAMMA)
_MICRO = 1_000_000


def index(value: float) -> int:
    """The bucket of a value: the n-th holds what is above GAMMA ** (n - 1), up to GAMMA ** n."""
    return math.ceil(math.log(min(max(value, LEAST), MOST)) / _LOG_GAMMA)


class Sketch:
    """How many values there are and about how large: can be merged, parted, and asked for percentiles.

    The count and the sum are exact (to the microsecond), a percentile is within `ERROR` of the true value.
    """

    __slots__ = ("_sum", "buckets", "count")

    def __init__(self) -> None:
        self.count = 0
        self.buckets: dict[int, int] = {}
        # Whole microseconds: taking away what was added leaves nothing, as with floats it would not.
        self._sum = 0

    @property
    def mean(self) -> float | None:
        """The mean of the values, or None where there is none."""
        return self._sum / _MICRO / self.count if self.count else None

    def add(self, value: float) -> None:
        """Count one value, not below zero."""
        self.count += 1
        self._sum += round(value * _MICRO)
        place = index(value)
        self.buckets[place] = self.buckets.get(place, 0) + 1

    def merge(self, other: Sketch) -> None:
        """Count all that the other one has counted."""
        for place, count in other.buckets.items():
            self.buckets[place] = self.buckets.get(place, 0) + count
        self.count += other.count
        self._sum += other._sum

    def gain(self, place: int, count: int, total: float) -> None:
        """Count values of one bucket that were counted elsewhere, with their sum."""
        self.buckets[place] = self.buckets.get(place, 0) + count
        self.count += count
        self._sum += round(total * _MICRO)

    def part(self, other: Sketch) -> None:
        """Forget what was merged from the other one."""
        for place, count in other.buckets.items():
            left = self.buckets[place] - count
            if left:
                self.buckets[place] = left
            else:
                del self.buckets[place]
        self.count -= other.count
        self._sum -= other._sum

    def percentile(self, share: float) -> float | None:
        """The value that at least `share` (0 to 1) of all do not exceed, or None where there is none."""
        if not self.count:
            return None
        rank = max(1, math.ceil(share * self.count))
        passed = 0
        for place in sorted(self.buckets):
            passed += self.buckets[place]
            if passed >= rank:
                return 2 * GAMMA**place / (GAMMA + 1)
        raise AssertionError("a sketch that counts more than it holds")


class Window:
    """The values of the last five minutes; moments are seconds on one clock, in any order."""

    __slots__ = ("_buckets", "total")

    def __init__(self) -> None:
        #: All values that are in the window.
        self.total = Sketch()
        self._buckets: dict[int, Sketch] = {}

    def add(self, at: float, value: float) -> None:
        """Count a value of the moment `at`."""
        bucket = self._buckets.setdefault(int(at // BUCKET_SECONDS), Sketch())
        bucket.add(value)
        self.total.add(value)

    def last_minute(self, now: float) -> int:
        """How many values are of the last whole minute of buckets, the one that is going on left out."""
        last = int(now // BUCKET_SECONDS)
        numbers = range(last - int(60 / BUCKET_SECONDS), last)
        return sum(self._buckets[number].count for number in numbers if number in self._buckets)

    def slide(self, now: float) -> None:
        """Forget what is older than the window."""
        oldest = (now - WINDOW_SECONDS) // BUCKET_SECONDS
        for number in [number for number in self._buckets if number < oldest]:
            self.total.part(self._buckets.pop(number))
