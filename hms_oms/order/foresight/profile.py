"""The daily profile of a queue: what comes on an average day, at which time and due how soon.

Jobs that are still to come hold up those with a later deadline. How many that will be is known of the days
before. Times of the day are seconds since midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

DAY_SECONDS = 86400.0
#: A profile is of so many of the latest days on which something came.
DAYS = 10
#: What comes is counted by so many seconds.
STEP_SECONDS = 900.0


class Arrivals(NamedTuple):
    """On an average day so many `jobs` come in the step that begins at `since`, due within `sla` seconds.

    From day to day that number has this `variance`.
    """

    since: float
    sla: float
    jobs: float
    variance: float


class Count(NamedTuple):
    """How many jobs are expected, and the variance of that."""

    jobs: float
    variance: float


NOTHING = Count(0.0, 0.0)


def learnt(counts: Iterable[tuple[float, float, int]], days: int) -> list[Arrivals]:
    """The profile of so many days, each of which has counts: since when, due how soon, how many jobs."""
    sums: dict[tuple[float, float], tuple[int, int]] = {}
    for since, sla, jobs in counts:
        number, squares = sums.get((since, sla), (0, 0))
        sums[since, sla] = number + jobs, squares + jobs * jobs
    return [
        Arrivals(since, sla, number / days, squares / days - (number / days) ** 2)
        for (since, sla), (number, squares) in sorted(sums.items())
    ]


def overtaking(profile: Sequence[Arrivals], now: float, deadline: float, seconds: float) -> Count:
    """How many jobs come within so many seconds whose deadline is before one `deadline` seconds from now.

    `now` is the time of the day.
    """
    jobs = variance = 0.0
    for since, sla, number, varies in profile:
        until = now + min(seconds, deadline - sla, DAY_SECONDS)
        if until <= now:
            continue
        for begin in (since, since + DAY_SECONDS):
            overlap = min(until, begin + STEP_SECONDS) - max(now, begin)
            if overlap > 0:
                share = overlap / STEP_SECONDS
                jobs += number * share
                # What comes at random varies by itself, however many days are known.
                variance += max(varies * share, number) * share
    return Count(jobs, variance)
