"""When a job of the line ends, on average and how much that varies, with those that are still to come."""

from __future__ import annotations

from collections.abc import Callable
from math import hypot, inf, sqrt
from typing import NamedTuple

from hms_oms.order.foresight.profile import NOTHING, Count
from hms_ops.forecast import chances
from hms_ops.forecast.capacity import Capacity

#: The longer a job waits, the more overtake it: so often that is followed.
ROUNDS = 6
#: No end is foreseen to less than this share of the time until it: where a limit of starts sets the pace, the
#: works say nothing of how it goes on.
LEAST_SHARE = 0.05


class End(NamedTuple):
    """The mean of an end and its standard deviation, in seconds from now."""

    mean: float
    deviation: float


def end(capacity: Capacity, place: int, overtaking: Callable[[float], Count]) -> End | None:
    """When the job at a place ends (the first is 1, those at work included); None: nobody knows.

    `overtaking` says how many come within some seconds and are served before it.
    """
    if capacity.variation is None or capacity.rate <= 0:
        return None
    mean, front = 1 / capacity.per_slot, max(0, place - capacity.slots)
    begin, more = capacity.seconds_until(front), NOTHING
    for _ in range(ROUNDS):
        more = overtaking(begin)
        begin = capacity.seconds_until(front + more.jobs)
    if begin == inf:
        return None
    of_works = chances.deviation(capacity, place + more.jobs)
    spread = hypot(of_works, sqrt(more.variance) / capacity.rate)
    return End(begin + mean, max(spread, LEAST_SHARE * (begin + mean)))
