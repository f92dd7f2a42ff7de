"""The order under overload: who is on time, by the product's own plan, beside other orders and the bound.

Each day of `benchmarks.overload` is replayed with the same jobs by acceptance (as a plain queue does), by
deadline, by the plan, and by the plan if all sizes were known; the bound is what no order can beat.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from benchmarks import overload
from benchmarks.overload import Day
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_oms.order.backlog import Job
from hms_oms.order.bound import bound
from hms_oms.order.policy import Policy
from hms_oms.order.simulation import PLAN_SECONDS, Figures, Known, Simulation, Works

Row = TypeVar("Row")

SEEDS = 20
#: With sizes known there is a cell for nearly every job: plans cost more, and change less.
KNOWN_PLAN_SECONDS = 30.0
FIFO, DEADLINE, PLANNED, KNOWN, BOUND = "FIFO", "EDF", "planned", "sizes known", "bound"


@dataclass(frozen=True)
class Scenario:
    """Days to replay, with what is to be on time at least, and what is aimed at; in %."""

    draw: Callable[[random.Random], Day]
    bar: float | None = None
    aim: float | None = None


#: By name. Those without a bar are compared with the order of deadlines.
SCENARIOS = {
    "steady 0.8": Scenario(overload.steady(0.8)),
    "steady 1.0": Scenario(overload.steady(1.0)),
    "steady 1.2": Scenario(overload.steady(1.2), 97.5, 98.4),
    "steady 1.5": Scenario(overload.steady(1.5), 88.0, 90.0),
    "steady 2.0": Scenario(overload.steady(2.0), 80.0, 83.0),
    "burst 1.2": Scenario(overload.burst(1.2), 89.0, 91.5),
    "burst 2.0": Scenario(overload.burst(2.0), 74.0, 76.5),
    "file at once": Scenario(overload.file_of(0.0), 79.5, 81.5),
    "file of two minutes": Scenario(overload.file_of(120.0), 81.5, 83.5),
    "tide": Scenario(overload.tide, 86.0, 88.5),
    "half away": Scenario(overload.half_away, 93.5, 95.0),
    "redated 1.2": Scenario(overload.redated),
    "unknown, burst 1.2": Scenario(overload.burst(1.2, overload.unknown), 78.0, 82.0),
    "unknown, burst 2.0": Scenario(overload.burst(2.0, overload.unknown), 46.0, 49.0),
    "half hinted, burst 2.0": Scenario(overload.burst(2.0, overload.hinted(0.5)), 70.0, 73.5),
}
#: A tenth of the jobs must be on time: in these.
MUST = ("file at once", "tide", "burst 2.0", "half away")
#: Every estimate is off by these factors: in these.
WRONG = (0.5, 2.0)
WRONG_IN = ("steady 1.5", "burst 2.0", "file at once")
#: Files whose first plan is held against what became of it.
FIRST = ("burst 1.2", "burst 2.0", "file at once")


@dataclass(frozen=True)
class Run:
    """Shares of one seed, in %."""

    on_time: Mapping[str, float]
    #: Band changes a job.
    moved: float
    #: The first plan: said to be late, late in the end; on time of those that it kept.
    said: float
    late: float
    kept: float


@dataclass(frozen=True)
class MustRun:
    """Shares of one seed in which some jobs must be on time, in %; of those, late, and such by any order."""

    on_time: float
    late: float
    hopeless: float


def replay(day: Day, policy: Policy, works: Works | None = None) -> tuple[list[Job], Figures]:
    """Replay a day by one policy."""
    jobs = day.again()
    simulation = Simulation(jobs, overload.SLOTS, policy, works or day.works(), day.changes)
    return jobs, simulation.run()


def run(name: str, seed: int) -> Run:
    """All orders over one day."""
    day = SCENARIOS[name].draw(random.Random(seed))
    jobs, figures = replay(day, Policy.MOST_ON_TIME)
    on_time = {
        FIFO: share(replay(day, Policy.FIFO)[0]),
        DEADLINE: share(replay(day, Policy.DEADLINE)[0]),
        PLANNED: share(jobs),
        KNOWN: share(_known(day)),
        BOUND: 100 * bound(jobs, day.slots) / len(jobs),
    }
    stay = [job for job in jobs if job.number not in figures.first]
    said = 100 * len(figures.first) / len(jobs)
    return Run(on_time, figures.moved / len(jobs), said, 100 - on_time[PLANNED], share(stay))


def must(name: str, seed: int) -> MustRun:
    """The plan over one day, a tenth of whose jobs must be on time."""
    day = overload.with_must(SCENARIOS[name].draw)(random.Random(seed))
    jobs, _ = replay(day, Policy.MOST_ON_TIME)
    must = [job for job in jobs if job.must]
    hopeless = sum(job.arrival + job.service > job.deadline for job in must)
    return MustRun(share(jobs), 100 - share(must), 100 * hopeless / len(must))


def wrong(name: str, seed: int) -> list[float]:
    """The plan over one day with estimates that are off by each factor."""
    day = SCENARIOS[name].draw(random.Random(seed))
    return [share(replay(day, Policy.MOST_ON_TIME, day.works(scale))[0]) for scale in WRONG]


def share(jobs: Sequence[Job]) -> float:
    """Those on time, in %."""
    return 100 * fmean(job.on_time for job in jobs)


def measure(seeds: int = SEEDS) -> list[Result]:
    """Replay so many days of each scenario, on all cores."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = _over(pool, run, list(SCENARIOS), seeds)
        must_runs = _over(pool, must, MUST, seeds)
        wrong_runs = _over(pool, wrong, WRONG_IN, seeds)
    results = [_result(name, rows) for name, rows in runs.items()]
    for name, must_rows in must_runs.items():
        results += _must_results(name, must_rows, runs[name])
    results += [_wrong_result(name, rows, runs[name]) for name, rows in wrong_runs.items()]
    for name in FIRST:
        results += _first_results(name, runs[name])
    return results


def _over(
    pool: Executor, function: Callable[[str, int], Row], names: Sequence[str], seeds: int
) -> dict[str, list[Row]]:
    tasks = [(name, seed) for name in names for seed in range(seeds)]
    rows = pool.map(function, *zip(*tasks, strict=True))
    by_name: dict[str, list[Row]] = {}
    for name in names:
        by_name[name] = [next(rows) for _ in range(seeds)]
        say(f"order: {function.__name__}, {seeds} days of {name}")
    return by_name


def _known(day: Day) -> list[Job]:
    """The plan if all sizes were known, with nothing reserved for those that are given up."""
    jobs = day.again()
    for job in jobs:
        job.kind = job.service
    works = Known(day.mean)
    changes = day.changes
    Simulation(jobs, overload.SLOTS, Policy.MOST_ON_TIME, works, changes, KNOWN_PLAN_SECONDS, 0.0).run()
    return jobs


def _result(name: str, rows: Sequence[Run]) -> Result:
    scenario = SCENARIOS[name]
    means = {side: fmean(row.on_time[side] for row in rows) for side in rows[0].on_time}
    worst = {side: min(row.on_time[side] for row in rows) for side in rows[0].on_time}
    moved = fmean(row.moved for row in rows)
    sides = ", ".join(f"{side} {means[side]:.1f}" for side in means if side != PLANNED)
    note = f"worst {worst[PLANNED]:.1f}; {sides}; {moved:.2f} moves a job"
    detail = {"seeds": len(rows), "means": means, "worst": worst, "moves": moved, "planSeconds": PLAN_SECONDS}
    if scenario.bar is None:
        least = min(row.on_time[PLANNED] - row.on_time[DEADLINE] for row in rows)
        what = f"on time, less than by deadline at worst (mean {means[PLANNED]:.1f} %)"
        return Result(f"order {name}", what, least, "points", 0.0, note=note, detail=detail)
    value = means[PLANNED]
    return Result(
        f"order {name}", "on time", value, "%", scenario.bar, scenario.aim, note=note, detail=detail
    )


def _must_results(name: str, rows: Sequence[MustRun], without: Sequence[Run]) -> list[Result]:
    late, hopeless = fmean(row.late for row in rows), fmean(row.hopeless for row in rows)
    lost = fmean(run.on_time[PLANNED] for run in without) - fmean(row.on_time for row in rows)
    note = f"worst {max(row.late for row in rows):.2f}; {hopeless:.2f} would be late if begun at once"
    return [
        Result(f"order must, {name}", "late of those that must not", late, "%", 0.3, 0.0, True, note),
        Result(f"order must, {name}", "on time less than without must", lost, "points", 3.0, None, True),
    ]


def _wrong_result(name: str, rows: Sequence[Sequence[float]], right: Sequence[Run]) -> Result:
    mean = fmean(run.on_time[PLANNED] for run in right)
    shares = [fmean(column) for column in zip(*rows, strict=True)]
    note = ", ".join(f"x{scale:g}: {share:.1f}" for scale, share in zip(WRONG, shares, strict=True))
    what = "on time less than with right estimates"
    lost = mean - min(shares)
    return Result(f"order wrong, {name}", what, lost, "points", 1.0, None, True, f"right: {mean:.1f}, {note}")


def _first_results(name: str, rows: Sequence[Run]) -> list[Result]:
    said, late = fmean(row.said for row in rows), fmean(row.late for row in rows)
    worst = max(abs(row.said - row.late) for row in rows)
    kept = fmean(row.kept for row in rows)
    note = f"said {said:.1f}, late {late:.1f}; worst {worst:.1f}"
    least = f"worst {min(row.kept for row in rows):.1f}"
    return [
        Result(
            f"order first plan, {name}", "late, off by", abs(said - late), "points", 3.0, None, True, note
        ),
        Result(f"order first plan, {name}", "on time of those it kept", kept, "%", 96.0, 98.0, note=least),
    ]
