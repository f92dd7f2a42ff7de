"""Current rate of an event: an exponentially weighted count, so that recent events weigh more."""

from __future__ import annotations

from math import exp

#: The time constant, in seconds: a change of throughput is shown to 63 % after it, and to 95 % after three
#: times as long. Of four a second the rate is known to 8 %.
DECAY_SECONDS = 20.0


class RecentRate:
    """`rate(t) = sum over events i of exp(-(t - t_i) / T) / T`, T being `DECAY_SECONDS`.

    Exact for events in any order; moments are seconds on one clock.
    """

    __slots__ = ("_at", "_weight")

    def __init__(self) -> None:
        self._at = 0.0
        self._weight = 0.0

    def add(self, at: float) -> None:
        """Count an event of the moment `at`."""
        if at > self._at:
            self._weight = self._weight_at(at) + 1
            self._at = at
        else:
            self._weight += exp((at - self._at) / DECAY_SECONDS)

    def per_second(self, now: float) -> float:
        """The rate at `now`."""
        return self._weight_at(max(now, self._at)) / DECAY_SECONDS

    def _weight_at(self, now: float) -> float:
        return self._weight * exp((self._at - now) / DECAY_SECONDS) if self._weight else 0.0
