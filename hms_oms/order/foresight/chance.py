"""How sure a predicted end is: works vary, and so does what is done until it is a job's turn.

The work in front of a job is a sum of many, so it is taken as normal: its variance is that of the works, over
the square of the slots, and the square of what the measured mean may be off by.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import erfc, inf, sqrt

from hms_oms.order.estimates import Estimate
from hms_oms.order.foresight.outlook import Place, Situation, rest

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


def ahead(situation: Situation, line: Sequence[Place]) -> Iterator[tuple[float, float]]:
    """The work in front of each place of a line, and behind its last, with the variance of the work."""
    kinds = {job.kind for job in situation.jobs}
    costs = {kind: situation.cost(kind) for kind in kinds}
    variances = {kind: deviation(situation.estimates[kind]) ** 2 for kind in kinds}
    front = [job for job in situation.jobs if job.in_flight]
    work = sum(rest(situation, job, situation.estimates[job.kind].mean) for job in front)
    variance = sum(variances[job.kind] for job in front)
    yield work, variance
    for place in line:
        work += costs[place.job.kind]
        variance += variances[place.job.kind]
        yield work, variance
