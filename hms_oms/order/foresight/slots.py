"""How many slots would keep all deadlines that can be kept: on average, and in 95 of 100 cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import hypot, sqrt
from typing import NamedTuple

from hms_oms.order.foresight import chance
from hms_oms.order.foresight.line import Situation, line_of
from hms_oms.order.plan import NO_WORK

#: What does not hold with so many slots, no number of them keeps.
MOST = 1_000_000


class Needed(NamedTuple):
    """Slots that keep the deadlines, and the deadline that asks for the most; None if none asks for any."""

    on_average: int
    surely: int
    deadline: float | None


class _Stop(NamedTuple):
    """A deadline so many seconds ahead, the work in front of its job, and how long the job takes."""

    deadline: float
    seconds: float
    work: float
    variance: float
    mean: float
    deviation: float

    def holds(self, slots: int) -> bool:
        """Whether it holds on average."""
        return self.work / slots + self.mean <= self.seconds + NO_WORK

    def surely_holds(self, slots: int) -> bool:
        """Whether it holds in 95 of 100 cases."""
        spread = hypot(sqrt(self.variance) / slots, self.deviation)
        return self.work / slots + self.mean + chance.SURE * spread <= self.seconds + NO_WORK


def needed(situation: Situation) -> Needed:
    """The least slots with which each job that waits ends by its deadline, if it can at all.

    A deadline that would be missed even if its job were begun at once is left aside: no slot keeps it. A
    limit of starts is taken not to be there.
    """
    on_average, surely, deadline = 0, 0, None
    for stop in _stops(situation._replace(spacing=0.0)):
        if not (on_average and stop.holds(on_average)) and stop.holds(MOST):
            on_average, deadline = _least(stop.holds, on_average), stop.deadline
        if not (surely and stop.surely_holds(surely)) and stop.surely_holds(MOST):
            surely = _least(stop.surely_holds, surely)
    return Needed(on_average, max(on_average, surely), deadline)


def _stops(situation: Situation) -> Iterator[_Stop]:
    line = line_of(situation)
    estimates, begins_at = situation.estimates, situation.begins_at
    deviations = {kind: chance.deviation(estimate) for kind, estimate in estimates.items()}
    works, variances = chance.works(situation, line), chance.variances(situation, line)
    for deadline, kind, work, variance in zip(line.deadlines, line.kinds, works, variances, strict=False):
        yield _Stop(deadline, deadline - begins_at, work, variance, estimates[kind].mean, deviations[kind])


def _least(holds: Callable[[int], bool], low: int) -> int:
    """The least number of slots above `low` for which it holds, as it does for all that are more."""
    high = low + 1
    while not holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
