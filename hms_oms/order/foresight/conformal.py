"""Limits that hold in 95 of 100 cases, learnt from forecasts that have been settled.

How far the end of a job was from its forecast, in standard deviations, is a score. A limit is as far behind
its forecast as all but a few of the latest scores were: a conformal quantile. How few is adapted after each
forecast, so that the share of those that hold is right in the long run, whatever the scores follow (Gibbs and
Candes 2021: adaptive conformal inference).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import ceil, inf

from hms_oms.order.foresight import chance

#: The share of limits that need not hold.
MISSED = 0.05
#: How much the level follows each forecast.
STEP = 0.002
#: The level stays between these: without a limit nothing would be learnt, and one at the mean says nothing.
LEAST, MOST = 0.002, 0.3
#: So many of the latest scores count; with fewer than enough, works are taken to add up to a normal sum.
KEPT, ENOUGH = 1500, 100


def level_after(level: float, *, missed: bool) -> float:
    """The level after one more limit was missed or held."""
    return min(MOST, max(LEAST, level + STEP * (MISSED - missed)))


def quantile(scores: Sequence[float], level: float) -> float:
    """How many deviations behind its mean a limit is, by scores in their order and the level in force."""
    if len(scores) < ENOUGH:
        return chance.SURE
    place = ceil((len(scores) + 1) * (1 - level))
    return scores[min(place, len(scores)) - 1]


def late(scores: Sequence[float], over: float) -> float:
    """The chance that an end is later than one so many deviations behind its mean, by scores in order."""
    if len(scores) < ENOUGH:
        return chance.of_lateness(-over, 1.0, 0.0) if over > -inf else 1.0
    return (len(scores) - bisect_right(scores, over) + 0.5) / (len(scores) + 1)
