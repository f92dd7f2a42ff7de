"""Estimates of how long a job holds a slot: from works that were measured, never from what a client says.

Works are measured by cell: the type, the step, and a bucket of the size hint that the recipe names. A cell
that is new is estimated as its queue, and a new queue as its recipe says. One factor per queue corrects all
of them, should they be wrong in the same direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log, log2
from typing import NamedTuple

#: So many of the latest works of a cell, or of a queue, are kept.
KEPT = 800
#: Fewer works than this say nothing yet.
ENOUGH = 8
#: The share of works that is to stay below `upper`.
QUANTILE = 0.9
#: That quantile of works of which nothing but the mean is known, over the mean.
UNKNOWN_SPREAD = -log(1 - QUANTILE)
#: The weight of the past in the calibration, with each job that ends.
MEMORY = 0.99
#: A factor in here says nothing: it is how works vary. Followed, it would move jobs to and fro.
USUAL = (0.8, 1.25)
#: Sizes that differ by less than a quarter of an octave share a bucket.
BUCKETS_PER_OCTAVE = 4


class Estimate(NamedTuple):
    """Seconds of a slot that a job takes on average, and that nine of ten stay below."""

    mean: float
    upper: float

    def times(self, factor: float) -> Estimate:
        """The estimate, corrected by a factor."""
        return Estimate(self.mean * factor, self.upper * factor)


class Calibration(NamedTuple):
    """Sums of the latest works of a queue, and of what had been estimated of them; the older weigh less."""

    actual: float = 0.0
    estimated: float = 0.0
    jobs: float = 0.0

    @property
    def factor(self) -> float:
        """By what the queue's estimates are to be multiplied; 1 unless they are clearly wrong."""
        if self.estimated <= 0:
            return 1.0
        factor = (self.actual / self.estimated * self.jobs + ENOUGH) / (self.jobs + ENOUGH)
        return 1.0 if USUAL[0] < factor < USUAL[1] else factor

    def after(self, actual: float, estimated: float) -> Calibration:
        """The calibration after one more work, and its estimate as it was before the factor."""
        return Calibration(
            self.actual * MEMORY + actual, self.estimated * MEMORY + estimated, self.jobs * MEMORY + 1
        )


def estimate(cell: Sequence[float], queue: Sequence[float], recipe: float) -> Estimate:
    """Estimate by the latest works of the cell, else of the queue, else by the recipe's seconds."""
    return measured(cell) or measured(queue) or unmeasured(recipe)


def measured(works: Sequence[float]) -> Estimate | None:
    """Estimate by the latest of these works, which are in the order of their end; None of too few."""
    latest = sorted(works[-KEPT:])
    if len(latest) < ENOUGH:
        return None
    return Estimate(sum(latest) / len(latest), latest[ceil(QUANTILE * len(latest)) - 1])


def unmeasured(seconds: float) -> Estimate:
    """Estimate by a mean alone."""
    return Estimate(seconds, seconds * UNKNOWN_SPREAD)


def bucket(size: float) -> int:
    """The bucket of a size hint; whatever is not above zero shares one."""
    return round(BUCKETS_PER_OCTAVE * log2(size)) if size > 0 else -(2**15)
