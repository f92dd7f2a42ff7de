"""How many workers a file needs: the product's number, held against runs with so many and with one fewer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from heapq import heapify, heapreplace
from math import log, log1p
from statistics import fmean
from typing import NamedTuple

from benchmarks.results import Result
from benchmarks.rounds import say
from hms_oms.order.estimates import Estimate, measured, unmeasured
from hms_oms.order.foresight.line import Situation
from hms_oms.order.foresight.open_jobs import Open, OpenJobs
from hms_oms.order.foresight.slots import needed
from hms_oms.order.policy import Policy

#: Jobs of a file, and the SLAs in seconds that they share evenly.
JOBS = (300, 1000, 3000)
SLAS = ((900,), (600, 3600), (1200, 1800, 2700), (600, 1200, 2400, 3600))
#: The mean time of a job, in seconds, and how many works were measured.
MEAN, WORKS = 10.0, 800
#: A number of slots is right if all deadlines hold in so many runs.
HELD = 0.95


class Setting(NamedTuple):
    """A file: how many jobs, with which SLAs, and how their times vary."""

    jobs: int
    slas: tuple[int, ...]
    service: str


class Outcome(NamedTuple):
    """The slots that were said on average and with 95 %, and the share of runs in which these held.

    `fewer` is that share with one slot fewer than with 95 %.
    """

    average: float
    sure: float
    held_on_average: float
    held: float
    fewer: float


def settings() -> list[Setting]:
    """Twenty-four settings."""
    pairs = [(jobs, slas) for jobs in JOBS for slas in SLAS]
    names = list(_services(random.Random(0)))
    return [
        Setting(jobs, slas, names[(2 * number + turn) % len(names)])
        for number, (jobs, slas) in enumerate(pairs)
        for turn in (0, 1)
    ]


def outcome(setting: Setting, runs: int) -> Outcome:
    """What became of a setting, over so many runs."""
    rows = []
    for run in range(runs):
        dice = random.Random(f"{setting} {run}")
        work = _services(dice)[setting.service]
        estimate = measured([work() for _ in range(WORKS)]) or unmeasured(MEAN)
        deadlines = sorted(float(setting.slas[job % len(setting.slas)]) for job in range(setting.jobs))
        need = needed(_situation(deadlines, estimate))
        works = [work() for _ in deadlines]
        rows.append(
            (
                need.on_average,
                need.surely,
                _holds(works, deadlines, need.on_average),
                _holds(works, deadlines, need.surely),
                _holds(works, deadlines, need.surely - 1),
            )
        )
    return Outcome(*(fmean(column) for column in zip(*rows, strict=True)))


def measure(pool: Executor, runs: int) -> list[Result]:
    """All settings."""
    chosen = settings()
    outcomes = list(pool.map(outcome, chosen, [runs] * len(chosen)))
    say(f"foresight: {len(chosen)} files, {runs} runs each")
    held = 100 * fmean(row.held for row in outcomes)
    average = 100 * fmean(row.held_on_average for row in outcomes)
    note = (
        f"on average: {fmean(row.average for row in outcomes):.1f} slots, held in {average:.0f} %;"
        f" with 95 %: {fmean(row.sure for row in outcomes):.1f}"
    )
    enough = 100 * fmean(row.held >= HELD for row in outcomes)
    tight = 100 * fmean(row.held >= HELD and row.fewer < HELD for row in outcomes)
    return [
        Result("foresight workers", "runs in which they held", held, "%", 95.0, note=note),
        Result("foresight workers", "files for which they held in 95 % of runs", enough, "%", 90.0),
        Result("foresight workers", "files for which one fewer would not have", tight, "%", 50.0, 70.0),
    ]


def _services(dice: random.Random) -> dict[str, Callable[[], float]]:
    return {
        "exponential": lambda: dice.expovariate(1 / MEAN),
        "three steps": lambda: sum(dice.expovariate(3 / MEAN) for _ in range(3)),
        "lognormal": lambda: dice.lognormvariate(log(MEAN) - log1p(1.0) / 2, log1p(1.0) ** 0.5),
        "two kinds": lambda: MEAN / 2.4 * (8 if dice.random() < 0.2 else 1) * dice.uniform(0.8, 1.2),
    }


def _situation(deadlines: Sequence[float], estimate: Estimate) -> Situation:
    jobs = OpenJobs.of(Open(number, 0.0, due, 0, due) for number, due in enumerate(deadlines))
    return Situation(Policy.DEADLINE, 1, 0.0, 0.0, jobs, {0: estimate}, works={0: WORKS})


def _holds(works: Sequence[float], deadlines: Sequence[float], slots: int) -> bool:
    """Whether all of a file are on time with so many slots, the earliest deadline first."""
    if slots < 1:
        return False
    free = [0.0] * slots
    heapify(free)
    for work, deadline in zip(works, deadlines, strict=True):
        end = free[0] + work
        if end > deadline:
            return False
        heapreplace(free, end)
    return True
