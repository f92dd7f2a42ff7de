"""Chances that deadlines are missed, by how much the work in front of them varies.

The work in front of a job is a sum of many, so that its end is taken as normal: its variance is that of the
works over the square of the slots, that of the job itself, and what the measured throughput may be off by.
All is pure; moments are aware.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import inf, sqrt
from typing import NamedTuple

from hms_oms.order.foresight import chance
from hms_ops.forecast.capacity import Capacity

#: What was given up and is due within so many mean works cannot be taken back in time: two stand in front of
#: it in the window, and its own is the third.
LOST_WORKS = 3.0
#: Works vary by so much at least: if one in twenty takes very long, what nine of ten stay below
#: says nothing of that.
LEAST_VARIATION = 0.05


class Risk(NamedTuple):
    """The chance that jobs with this deadline are late; no other deadline has a higher one."""

    chance: float
    deadline: datetime


def riskiest(
    histogram: Sequence[tuple[datetime, int]],
    capacity: Capacity,
    start: datetime,
    now: datetime,
    given_up: Sequence[tuple[datetime, int]] = (),
) -> Risk | None:
    """The deadline that is most likely to be missed, of those ahead; None if there is none, or nobody knows.

    `histogram` is the line as if no job were given up: as long as all fit, those that are `given_up` are
    taken back. One that is due too soon for that is late.
    """
    if capacity.variation is None or capacity.per_slot <= 0:
        return None
    worst, binding, place = -inf, None, 0
    for deadline, jobs in histogram:
        place += jobs
        if deadline < now:
            continue
        over = excess(capacity, place, (deadline - start).total_seconds())
        if binding is None or over > worst:
            worst, binding = over, deadline
    lost = [deadline for deadline, _ in given_up if deadline >= now and _is_lost(deadline, start, capacity)]
    if lost:
        worst, binding = inf, min(lost)
    return None if binding is None else Risk(chance.of_lateness(worst, 1.0, 0.0), binding)


def excess(capacity: Capacity, place: int, seconds: float) -> float:
    """By how many standard deviations the end of a job at a place (the first is 1) is after its deadline."""
    end = capacity.seconds_until(place)
    if end == inf:
        return inf
    return (end - seconds) / deviation(capacity, place)


def deviation(capacity: Capacity, place: float) -> float:
    """The standard deviation of the end of a job at a place, in seconds."""
    mean, variation = 1 / capacity.per_slot, max(LEAST_VARIATION, capacity.variation or 0.0)
    ahead = 0.0 if capacity.held_back else mean * place / max(1, capacity.slots)
    of_works = variation * mean * mean + variation * ahead * mean / max(1, capacity.slots)
    of_throughput = variation * ahead * ahead / capacity.counted if capacity.counted else 0.0
    return sqrt(of_works + of_throughput)


def _is_lost(deadline: datetime, start: datetime, capacity: Capacity) -> bool:
    return (deadline - start).total_seconds() * capacity.per_slot < LOST_WORKS
