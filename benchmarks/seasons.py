"""Seasons that could have been: days of one queue that are like each other, and none is like the other.

The workers, the times of jobs and their SLAs are those of a season. Its files come at about the same time
each day, larger or smaller; some days there is more to do than on others, and on some a worker dies.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf

from benchmarks import mornings
from benchmarks.mornings import ARRIVALS_SECONDS, Job, Morning, WorkerGroup

#: How far a file comes from its time, in seconds, and how its size varies: the deviation of its logarithm.
FILE_SECONDS, FILE_SPREAD = 240.0, 0.15
#: How the work of a day varies: the deviation of its logarithm.
DAY_SPREAD = 0.12
#: On how many of the days a worker dies, and for how long it is away.
DIES, AWAY_SECONDS = 0.15, (300.0, 1800.0)


@dataclass
class Season:
    """What the days of a season have in common; files are a time and a share of the day's jobs."""

    seed: int
    group: WorkerGroup
    mean: float
    work: Callable[[], float]
    slas: list[int]
    jobs: float
    files: list[tuple[float, float]]
    dice: random.Random

    def day(self, number: int) -> Morning:
        """The next day; `number` tells it from the others."""
        dice = self.dice
        dies = dice.uniform(0.1, 0.9) * ARRIVALS_SECONDS if dice.random() < DIES else inf
        back = dies + dice.uniform(*AWAY_SECONDS)
        group = WorkerGroup(self.group.workers, self.group.slots, dies, back)
        jobs = [
            Job(comes, comes + dice.choice(self.slas), self.work(), urgent=dice.random() < 0.02)
            for comes in sorted(self._arrivals())
        ]
        return Morning(1000 * self.seed + number, group, jobs)

    def _arrivals(self) -> Iterator[float]:
        dice = self.dice
        jobs = self.jobs * dice.lognormvariate(0, DAY_SPREAD)
        for at, share in self.files:
            comes = min(max(0.0, at + dice.gauss(0, FILE_SECONDS)), ARRIVALS_SECONDS)
            for _ in range(int(share * jobs * dice.lognormvariate(0, FILE_SPREAD))):
                yield comes
        rest = 1 - sum(share for _, share in self.files)
        for _ in range(int(rest * jobs)):
            yield dice.random() * ARRIVALS_SECONDS


def season(seed: int) -> Season:
    """The season of a seed: from well staffed to far too much work."""
    dice = random.Random(seed)
    workers, slots = dice.randint(2, 6), dice.choice((1, 2, 4))
    group = WorkerGroup(workers, slots)
    mean = max(dice.choice((5.0, 10.0, 20.0, 40.0)), workers * slots / 0.8)
    load = dice.uniform(0.6, 1.4)
    return Season(
        seed,
        group,
        mean,
        dice.choice(mornings.services(dice, mean)),
        dice.sample((600, 900, 1200, 1800, 2700, 3600, 5400), dice.randint(1, 3)),
        load * ARRIVALS_SECONDS * workers * slots / mean,
        [
            (dice.uniform(0, 0.8) * ARRIVALS_SECONDS, dice.uniform(0.1, 0.3))
            for _ in range(dice.randint(0, 3))
        ],
        dice,
    )
