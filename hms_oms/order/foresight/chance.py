"""How sure a predicted end is: works vary, and so does what is done until it is a job's turn.

The work in front of a job is a sum of many, so it is taken as normal: its variance is that of the works, over
the square of the slots, and the square of what the measured mean may be off by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from math import erfc, inf, sqrt

from hms_oms.order.estimates import KEPT, Estimate
from hms_oms.order.foresight.line import Line, Situation

#: Nine of ten of a normal distribution are below its mean and so many deviations.
NINE_OF_TEN = 1.2815515655446004
#: What is promised is to hold in 95 of 100 cases: the mean and so many deviations.
SURE = 1.6448536269514722


def deviation(estimate: Estimate) -> float:
    """The standard deviation of one work, in seconds."""
    return max(0.0, estimate.upper - estimate.mean) / NINE_OF_TEN


def variation(estimate: Estimate) -> float:
    """The variance of one work, over the square of its mean."""
    return (deviation(estimate) / estimate.mean) ** 2 if estimate.mean > 0 else 0.0


def of_lateness(end: float, spread: float, deadline: float) -> float:
    """The chance that a job ends after its deadline, if its end has this mean and standard deviation."""
    if end == inf:
        return 1.0
    if spread <= 0:
        return float(end > deadline)
    return 0.5 * erfc((deadline - end) / (spread * sqrt(2)))


def works(situation: Situation, line: Line) -> Sequence[float]:
    """The work in front of each place of a line, and behind its last."""
    costs = situation.costs()
    front = sum(map(situation.rest, situation.jobs.front))
    return list(accumulate(map(costs.__getitem__, line.kinds), initial=front))


def variances(situation: Situation, line: Line) -> Sequence[float]:
    """The variance of the work in front of each place of a line, and behind its last; parts are work, too.

    It is of the works, and of their measured mean: what that is off by, it is in all of them.
    """
    of_kind = {kind: deviation(situation.estimates[kind]) ** 2 for kind in situation.jobs.kinds}
    of_mean = {kind: of_kind[kind] / situation.works.get(kind, KEPT) for kind in of_kind}
    counts = Counter(job.kind for job in situation.jobs.front)
    front = sum(of_kind[kind] * number + of_mean[kind] * number**2 for kind, number in counts.items())
    return list(accumulate(_more(line.kinds, counts, of_kind, of_mean), initial=front))


def _more(
    kinds: Iterable[int], counts: Counter[int], of_kind: Mapping[int, float], of_mean: Mapping[int, float]
) -> Iterator[float]:
    """By how much the variance grows with each job: n works with one mean have n squared times its own."""
    for kind in kinds:
        yield of_kind[kind] + (2 * counts[kind] + 1) * of_mean[kind]
        counts[kind] += 1
