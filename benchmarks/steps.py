"""Steps: a backlog of three-step jobs worked off by the product, by bare Celery and by durable Celery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from benchmarks.processes import PREFORK, SOLO, THREADS, Setup
from benchmarks.results import Result
from benchmarks.rounds import interleaved, ratio, rounded
from benchmarks.sides import BareSide, DurableSide, ProductSide

#: What the product has to reach against bare Celery in each set-up, and what it aims at.
BARS = {THREADS: 1.1, PREFORK: 0.9, SOLO: 0.7}
AIM = 1.5
#: What it has to reach against Celery that stores its results in PostgreSQL.
DURABLE_BAR = 3.0
#: Three-step jobs per second of PostgreSQL-backed queues outside Celery, on two cores.
MARK = (430, 640)

Sides = Sequence[BareSide | DurableSide | ProductSide]


@dataclass(frozen=True)
class Race:
    """A set-up and what is measured in it."""

    setup: Setup
    against_bare: bool
    against_durable: bool


def races(steps: bool, durable: bool, quick: bool) -> list[Race]:
    """The races to run: durable Celery joins those of threads and, given time, of prefork."""
    wanted = [
        Race(setup, steps, durable and (setup is THREADS or (setup is PREFORK and not quick)))
        for setup in (THREADS, PREFORK, SOLO)
    ]
    return [race for race in wanted if race.against_bare or race.against_durable]


def measure(races: Sequence[Race], sides: Sides, rounds: int, jobs: int) -> list[Result]:
    """Run the races, and report the ratios and the best absolute figure of the product."""
    results: list[Result] = []
    best: dict[Setup, float] = {}
    for race in races:
        setup = race.setup
        chosen = {"product": True, "bare": race.against_bare, "durable": race.against_durable}
        # Durable Celery is so slow that a third of the jobs takes it longer than the others.
        load = {"product": jobs, "bare": jobs, "durable": jobs // 3}
        entered = {
            side.name: partial(side.run, setup, load[side.name]) for side in sides if chosen[side.name]
        }
        figures = interleaved(f"steps, {setup.name}", entered, rounds)
        best[setup] = median(figures["product"])
        if race.against_bare:
            results.append(_result("steps", "bare", setup, figures, BARS[setup], AIM))
        if race.against_durable:
            results.append(_result("durable", "durable", setup, figures, DURABLE_BAR, None))
    if best:
        results.append(_absolute(best))
    return results


def _result(
    name: str, other: str, setup: Setup, figures: dict[str, list[float]], bar: float, aim: float | None
) -> Result:
    return Result(
        f"{name}-{setup.name}",
        f"{_command(setup)}, against {other} Celery",
        ratio(figures, "product", other),
        "times",
        bar=bar,
        aim=aim,
        note=", ".join(f"{side} {median(figures[side]):,.0f} jobs/s" for side in ("product", other)),
        detail={
            "jobsPerSecond": rounded(figures),
            "stepsPerSecond": {side: round(3 * median(measured), 1) for side, measured in figures.items()},
        },
    )


def _absolute(best: dict[Setup, float]) -> Result:
    setup = max(best, key=lambda setup: best[setup])
    return Result(
        "best",
        f"the product's best set-up: {_command(setup)}",
        best[setup],
        "jobs/s",
        note=f"{3 * best[setup]:,.0f} steps/s; the mark is {MARK[0]} to {MARK[1]} jobs/s",
    )


def _command(setup: Setup) -> str:
    return f"{setup.processes} x -P {setup.name} -c {setup.slots}"
