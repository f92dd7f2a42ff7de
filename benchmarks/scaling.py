"""Scaling on the slots needed, against scaling on the length of the queue: who is on time, at which price.

The mornings of `benchmarks.mornings`, with workers that an autoscaler adds and removes as KEDA and Kubernetes
do: asked every few seconds, new workers work a minute later, and fewer are kept only if all of five minutes
agree. The slots needed are the product's own: its throughput, its `hms_ops.forecast.scaling`. Queue length is
tried as KEDA has it by default, five jobs a worker, and with the length that suits it best on other mornings:
the cheapest that is on time as often. Nobody who sets a length for a queue knows that one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil

from benchmarks import mornings
from benchmarks.mornings import LOOK_SECONDS, Look, Replay, WorkerGroup
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_ops.forecast import scaling
from hms_ops.forecast.scaling import Load
from hms_ops.forecast.throughput import Throughput

#: How often the scaler asks, how long a worker takes to come up, how long fewer must be enough; in seconds.
ASK_SECONDS, READY_SECONDS, CALM_SECONDS = 15.0, 60.0, 300.0
#: No more workers than so many times the workers that the morning was made for.
MOST = 4
#: Jobs a worker by KEDA's default, and those a slot that are tried for the best.
DEFAULT_LENGTH = 5
LENGTHS = (2, 5, 8, 12, 20, 40)
#: What is to be reached.
ON_TIME, SAVED = 0.99, 0.40
#: The seeds below this chose the length, and the constants of the product.
FIRST_SEED = 1000

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)

#: How many slots there should be, from what is seen, and from how many there are.
Policy = Callable[[Look, int], int]


@dataclass(frozen=True)
class Outcome:
    """Of one morning or several: jobs, those on time, and hours of workers that were paid for."""

    jobs: int = 0
    on_time: int = 0
    hours: float = 0.0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.jobs + other.jobs, self.on_time + other.on_time, self.hours + other.hours)

    @property
    def share(self) -> float:
        """The on-time share."""
        return self.on_time / self.jobs if self.jobs else 1.0


class Slots:
    """The product's policy: the throughput as the watch measures it, the slots that the deadlines ask for."""

    def __init__(self) -> None:
        self._throughput = Throughput()

    def __call__(self, look: Look, slots: int) -> int:
        """The slots that are needed."""
        now = MIDNIGHT + timedelta(seconds=look.now)
        jobs = sum(count for *_, count in look.deadlines)
        self._throughput.look(now, look.finished, min(slots, jobs))
        capacity = self._throughput.capacity(slots)
        histogram = [(MIDNIGHT + timedelta(seconds=due), count) for _, due, count in look.deadlines]
        per_slot = None if capacity is None else capacity.per_slot
        return scaling.slots(Load(histogram, min(slots, jobs), slots, per_slot), now)


def by_length(jobs: float, look: Look, _: int) -> int:
    """Scaling on queue length: a slot for so many jobs."""
    return ceil(sum(count for *_, count in look.deadlines) / jobs)


class _Scaled(Replay):
    """A morning whose workers change."""

    def have(self, group: WorkerGroup, now: float) -> None:
        """Change the workers; who leaves ends what it has begun."""
        self.group = group
        self._start(now)

    @property
    def busy(self) -> int:
        """The slots at work, those of workers that are leaving too."""
        return len(self._running)


def run(seed: int, make: Callable[[int], Policy]) -> Outcome:
    """One morning under one policy, beginning without a worker."""
    morning = mornings.morning(seed)
    slots, most = morning.group.slots, MOST * morning.group.workers
    policy = make(slots)
    replay = _Scaled(morning)
    replay.have(WorkerGroup(0, slots), 0.0)
    coming: list[tuple[float, int]] = []
    wishes: list[tuple[float, int]] = []
    hours, asked_at = 0.0, -ASK_SECONDS
    for look in replay.looks():
        now = look.now
        due = [workers for at, workers in coming if at <= now]
        coming = [item for item in coming if item[0] > now]
        present = replay.group.workers + sum(due)
        if due:
            replay.have(WorkerGroup(present, slots), now)
        wish = min(most, ceil(policy(look, present * slots) / slots))
        if now - asked_at >= ASK_SECONDS:
            asked_at = now
            wishes = [*(wishe for wishe in wishes if wishe[0] > now - CALM_SECONDS), (now, wish)]
            there = present + sum(workers for _, workers in coming)
            calm = max(workers for _, workers in wishes)
            if wish > there:
                coming.append((now + READY_SECONDS, wish - there))
            elif calm < there:
                # Those that are not there yet are called off first.
                keep = max(0, calm - present)
                coming = [(max(at for at, _ in coming), keep)] if keep else []
                replay.have(WorkerGroup(min(present, calm), slots), now)
        paid = max(replay.group.workers, ceil(replay.busy / slots)) + sum(workers for _, workers in coming)
        hours += paid * LOOK_SECONDS / 3600
    ended = morning.jobs
    return Outcome(len(ended), sum(not job.late for job in ended), hours)


def outcome(seeds: Sequence[int], make: Callable[[int], Policy]) -> Outcome:
    """All mornings of these seeds under one policy."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(partial(run, make=make), seeds, chunksize=4), Outcome())


def needed(_: int) -> Policy:
    """Scaling on slots needed."""
    return Slots()


def length_a_slot(jobs: int, _: int) -> Policy:
    """Scaling on queue length, so many jobs a slot."""
    return partial(by_length, jobs)


def length_a_worker(jobs: int, slots: int) -> Policy:
    """Scaling on queue length, so many jobs a worker of these slots."""
    return partial(by_length, jobs / slots)


def floor(seeds: Sequence[int]) -> float:
    """The hours of workers that the work itself takes, were no slot ever idle."""
    rows = [mornings.morning(seed) for seed in seeds]
    return sum(sum(job.work for job in item.jobs) / item.group.slots for item in rows) / 3600


def measure(count: int) -> list[Result]:
    """Choose the best length on the first mornings, and compare on the others."""
    say(f"scaling: {count} mornings on slots needed and on queue length")
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    tried = {jobs: outcome(range(count // 2), partial(length_a_slot, jobs)) for jobs in LENGTHS}
    good = [jobs for jobs, item in tried.items() if item.share >= ON_TIME]
    best = min(good, key=lambda jobs: tried[jobs].hours) if good else min(LENGTHS)
    ours = outcome(seeds, needed)
    default = outcome(seeds, partial(length_a_worker, DEFAULT_LENGTH))
    tuned = outcome(seeds, partial(length_a_slot, best))
    least = floor(seeds)
    detail = {
        "jobs": ours.jobs,
        "hours": round(ours.hours, 1),
        "leastHours": round(least, 1),
        "default": {"onTime": round(default.share, 4), "hours": round(default.hours, 1)},
        "tuned": {"jobsForASlot": best, "onTime": round(tuned.share, 4), "hours": round(tuned.hours, 1)},
        "tried": {jobs: [round(item.share, 4), round(item.hours, 1)] for jobs, item in tried.items()},
    }
    spent = f"{ours.hours:,.0f} worker-hours, the work itself {least:,.0f}"
    on_time = 100 * ours.share
    return [
        Result("scaling.on_time", "on time, scaled on slots needed", on_time, "%", 100 * ON_TIME, note=spent),
        _saved("scaling.saved", f"{DEFAULT_LENGTH} jobs a worker", ours, default, detail, 100 * SAVED),
        _saved("scaling.saved_of_best", f"{best} jobs a slot", ours, tuned, {}, None),
    ]


def _saved(
    name: str, what: str, ours: Outcome, theirs: Outcome, detail: Mapping[str, object], bar: float | None
) -> Result:
    saved = 100 * (1 - ours.hours / theirs.hours)
    note = f"by length: {theirs.share:.2%} on time in {theirs.hours:,.0f} worker-hours"
    return Result(name, f"worker-hours saved against {what}", saved, "%", bar, note=note, detail=detail)
