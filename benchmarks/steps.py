"""Steps: a backlog of three-step jobs worked off by the product, by Celery bare and durable, by pgqueuer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Protocol

from benchmarks import written
from benchmarks.cpu import Cpu
from benchmarks.processes import PREFORK, SOLO, THREADS, Setup
from benchmarks.results import Result
from benchmarks.rounds import interleaved, ratio, rounded

#: What the product has to reach against bare Celery in each set-up, and what it aims at.
BARS = {THREADS: 4.0, PREFORK: 2.5, SOLO: 3.0}
AIMS = {THREADS: 6.0, PREFORK: 4.0, SOLO: 6.0}
#: What it has to reach against Celery that stores its results in PostgreSQL.
DURABLE_BAR, DURABLE_AIM = 3.0, 5.0
#: What it has to reach against pgqueuer, and what it aims at.
PGQUEUER_BAR, PGQUEUER_AIM = 1.0, 2.0
#: The KiB that a job may write to the log of PostgreSQL, and those that are aimed at.
WAL_BAR, WAL_AIM = 3.0, 2.0


class Side(Protocol):
    """Who takes part in a race."""

    name: str
    #: What each run has cost.
    cpu: list[Cpu]

    def run(self, setup: Setup, jobs: int) -> float:
        """Do that many jobs under a set-up; return jobs per second."""


@dataclass(frozen=True)
class Race:
    """A set-up, and the sides that the product is measured against in it."""

    setup: Setup
    others: tuple[str, ...]


def races(only: Collection[str], quick: bool) -> list[Race]:
    """The races to run: durable Celery joins those of threads and, given time, of prefork."""
    chosen = []
    for setup in (THREADS, PREFORK, SOLO):
        others = ["bare"] if "steps" in only else []
        if "durable" in only and (setup is THREADS or (setup is PREFORK and not quick)):
            others.append("durable")
        if "pgqueuer" in only and setup is THREADS:
            others.append("pgqueuer")
        if others:
            chosen.append(Race(setup, tuple(others)))
    return chosen


class Product(Side, Protocol):
    """The product, of which is also known what each run has written."""

    written: list[Mapping[str, float]]


def measure(
    races: Sequence[Race], product: Product, others: Sequence[Side], rounds: int, jobs: int
) -> list[Result]:
    """Run the races, and report the ratios and the best absolute figure of the product."""
    results: list[Result] = []
    best: dict[Setup, float] = {}
    by_name = {side.name: side for side in (product, *others)}
    for race in races:
        setup = race.setup
        entered = {name: by_name[name] for name in ("product", *race.others)}
        for side in entered.values():
            side.cpu.clear()
        # Durable Celery is so slow that a third of the jobs takes it longer than the others.
        runs = {
            name: partial(side.run, setup, jobs // 3 if name == "durable" else jobs)
            for name, side in entered.items()
        }
        figures = interleaved(f"steps, {setup.name}", runs, rounds)
        cpu = {name: _medians(side.cpu) for name, side in entered.items()}
        best[setup] = median(figures["product"])
        results += [_result(other, setup, figures, cpu) for other in race.others]
        if setup is THREADS:
            results.append(_log(product.written[-rounds:]))
    if best:
        results.append(_absolute(best))
    return results


def _medians(runs: Sequence[Cpu]) -> dict[str, float]:
    """What a job costs each group of processes, and all of them, in milliseconds of CPU time."""
    by_group = {group: round(median(run[group] for run in runs), 3) for group in runs[0]}
    return {**by_group, "all": round(median(sum(run.values()) for run in runs), 3)}


def _result(
    other: str, setup: Setup, figures: Mapping[str, list[float]], cpu: Mapping[str, Mapping[str, float]]
) -> Result:
    goal = _goal(other, setup)
    sides = ("product", other)
    return Result(
        f"{goal.name}-{setup.name}",
        f"{_command(setup)}, against {goal.against}",
        ratio(figures, "product", other),
        "times",
        bar=goal.bar,
        aim=goal.aim,
        note=", ".join(
            f"{side} {median(figures[side]):,.0f} jobs/s at {cpu[side]['all']:.2g} ms" for side in sides
        ),
        detail={
            "jobsPerSecond": {side: rounded(figures)[side] for side in sides},
            "stepsPerSecond": {side: round(3 * median(figures[side]), 1) for side in sides},
            "cpuMsPerJob": {side: cpu[side] for side in sides},
        },
    )


@dataclass(frozen=True)
class _Goal:
    name: str
    against: str
    bar: float
    aim: float


def _goal(other: str, setup: Setup) -> _Goal:
    if other == "bare":
        return _Goal("steps", "bare Celery", BARS[setup], AIMS[setup])
    if other == "durable":
        return _Goal("durable", "durable Celery", DURABLE_BAR, DURABLE_AIM)
    return _Goal("pgqueuer", "two processes of pgqueuer", PGQUEUER_BAR, PGQUEUER_AIM)


def _log(runs: Sequence[Mapping[str, float]]) -> Result:
    medians = {name: median(run[name] for run in runs) for name in runs[0]}
    what = "log of PostgreSQL that a job of three no-op steps writes"
    return written.result("steps-wal", what, medians, WAL_BAR, WAL_AIM)


def _absolute(best: dict[Setup, float]) -> Result:
    setup = max(best, key=lambda setup: best[setup])
    return Result(
        "best",
        f"the product's best set-up: {_command(setup)}",
        best[setup],
        "jobs/s",
        note=f"{3 * best[setup]:,.0f} steps/s",
    )


def _command(setup: Setup) -> str:
    return f"{setup.processes} x -P {setup.name} -c {setup.slots}"
