"""Overloaded days that could have been: seeded arrivals, sizes and deadlines, in eleven scenarios and more.

Eight slots. Four types of jobs, of which the largest takes nine times as long as the smallest, each three
exponential steps; 800 works of yesterday are known. Moments are seconds from the start.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, log
from typing import NamedTuple

from hms_oms.order.backlog import Job
from hms_oms.order.estimates import bucket
from hms_oms.order.plan import early
from hms_oms.order.simulation import Change, Works

SLOTS = 8
#: Means of the four types, over the mean of all.
TYPES = (0.25, 0.5, 1.0, 2.25)
#: SLAs in seconds, as likely as one another.
SLAS = (300.0, 600.0, 1800.0, 3600.0)
#: A stream: so long, with jobs of this mean; a file: so many jobs of that mean.
STREAM_SECONDS, STREAM_MEAN = 10800.0, 30.0
FILE_JOBS, FILE_MEAN = 3000, 10.0
#: Works that are known of the day before.
HISTORY = 800


class Size(NamedTuple):
    """What an estimate goes by, and the seconds that the job really takes."""

    kind: object
    seconds: float


#: Draws a size for a mean of all.
Sizes = Callable[[random.Random, float], Size]


@dataclass
class Day:
    """The jobs of a run, what changes meanwhile, and the works that are known when it begins."""

    jobs: list[Job]
    mean: float
    history: list[Size]
    changes: list[Change] = field(default_factory=list)

    @property
    def slots(self) -> list[tuple[float, int]]:
        """The slots by time."""
        counts = [(change.at, change.slots) for change in self.changes if change.slots is not None]
        return [(-inf, SLOTS), *counts]

    def again(self) -> list[Job]:
        """The same jobs, before anything has happened."""
        return [replace(job) for job in self.jobs]

    def works(self, scale: float = 1.0, cold: bool = False) -> Works:
        """What the ledger knows of works; every estimate is off by `scale`."""
        works = Works(self.mean, scale)
        for kind, seconds in () if cold else self.history:
            works.add(kind, seconds)
        return works


def typed(dice: random.Random, mean: float) -> Size:
    """Four types, three exponential steps each."""
    kind = dice.randrange(len(TYPES))
    return Size(kind, sum(dice.expovariate(3 / (mean * TYPES[kind])) for _ in range(3)))


def unknown(dice: random.Random, mean: float) -> Size:
    """One type, exponential: nothing says how long a job takes."""
    return Size(0, dice.expovariate(1 / mean))


def hinted(share: float) -> Sizes:
    """One type with a long tail; a size hint explains a share of its logarithm's variance."""

    def draw(dice: random.Random, mean: float) -> Size:
        spread = log(1 + 1.3**2)
        hint = dice.gauss(0, (share * spread) ** 0.5)
        rest = dice.gauss(0, ((1 - share) * spread) ** 0.5)
        return Size(bucket(exp(hint)), mean * exp(hint + rest - spread / 2))

    return draw


def stream(dice: random.Random, load: Callable[[float], float], sizes: Sizes = typed) -> Day:
    """Three hours of arrivals; `load` is what arrives at a moment, over what eight slots do."""
    jobs: list[Job] = []
    most, now = 3.0 * SLOTS / STREAM_MEAN, 0.0
    while (now := now + dice.expovariate(most)) < STREAM_SECONDS:
        if dice.random() * 3.0 < load(now):
            jobs.append(_job(len(jobs), now, sizes(dice, STREAM_MEAN), dice.choice(SLAS)))
    return _day(dice, jobs, STREAM_MEAN, sizes)


def steady(load: float) -> Callable[[random.Random], Day]:
    """A stream of one load."""
    return lambda dice: stream(dice, lambda _: load)


def tide(dice: random.Random) -> Day:
    """Half an hour of 2.5, half an hour of 0.5, by turns."""
    return stream(dice, lambda now: 0.5 if now % 3600 >= 1800 else 2.5)


def half_away(dice: random.Random) -> Day:
    """A load of 0.9, and half of the slots away from 0:30 to 2:00."""
    day = stream(dice, lambda _: 0.9)
    day.changes += [Change(1800.0, SLOTS // 2), Change(7200.0, SLOTS)]
    return day


def redated(dice: random.Random) -> Day:
    """A load of 1.2; every 20 minutes a fifth of the waiting jobs gets half of its time, a fifth twice."""
    day = stream(dice, lambda _: 1.2)
    luck = {at: [dice.random() for _ in day.jobs] for at in range(1200, int(STREAM_SECONDS), 1200)}

    def deadlines(jobs: Iterable[Job], now: float) -> Sequence[tuple[Job, float]]:
        times = {0: 0.5, 1: 2.0}
        return [
            (job, now + (job.deadline - now) * times[fifth])
            for job in jobs
            if (fifth := int(5 * luck[int(now)][job.number])) in times and job.deadline > now
        ]

    day.changes += [Change(float(at), deadlines=deadlines) for at in luck]
    return day


def burst(load: float, sizes: Sizes = typed) -> Callable[[random.Random], Day]:
    """A file of 3,000 at once, whose deadlines are spread over the time in which their work would fit."""

    def draw(dice: random.Random) -> Day:
        longest = FILE_JOBS * FILE_MEAN / SLOTS / load
        jobs = [
            _job(number, 0.0, sizes(dice, FILE_MEAN), dice.uniform(0, longest)) for number in range(FILE_JOBS)
        ]
        return _day(dice, jobs, FILE_MEAN, sizes)

    return draw


def file_of(seconds: float) -> Callable[[random.Random], Day]:
    """A file of 3,000 with four SLAs, accepted over so many seconds."""

    def draw(dice: random.Random) -> Day:
        jobs = [
            _job(number, seconds * number / FILE_JOBS, typed(dice, FILE_MEAN), dice.choice(SLAS))
            for number in range(FILE_JOBS)
        ]
        return _day(dice, jobs, FILE_MEAN, typed)

    return draw


def with_must(draw: Callable[[random.Random], Day], share: float = 0.1) -> Callable[[random.Random], Day]:
    """The same days, on which a share of the jobs must be on time."""

    def must(dice: random.Random) -> Day:
        day = draw(dice)
        chosen = random.Random(dice.random())
        works = day.works()
        for job in day.jobs:
            if chosen.random() < share:
                job.must = True
                job.due = job.deadline - early(job.deadline - job.arrival, works.estimate(job.kind).upper)
        return day

    return must


def _job(number: int, now: float, size: Size, sla: float) -> Job:
    return Job(number, now, size.seconds, now + sla, size.kind)


def _day(dice: random.Random, jobs: list[Job], mean: float, sizes: Sizes) -> Day:
    return Day(jobs, mean, [sizes(dice, mean) for _ in range(HISTORY)])
