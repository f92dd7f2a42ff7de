"""Mornings that could have been: one queue with seeded arrivals, deadlines and crews.

Jobs are served by the earliest deadline (a few by priority), through a window of twice the live slots, and
are not interrupted. A worker may die; its jobs go back to the backlog after a few seconds and begin again.
Times are seconds from the start of the morning.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from math import inf, log
from statistics import fmean

from hms_oms.order.estimates import KEPT, Estimate, measured

#: Between two looks at the floor, in seconds.
LOOK_SECONDS = 5.0
#: Arrivals end after this time; the morning goes on until the last job is done, but not forever.
ARRIVALS_SECONDS = 7200.0
LAST_SECONDS = 18000.0
#: The jobs of a worker that has died are back in the backlog after so many seconds.
GONE_SECONDS = 5.0
#: Deadlines are counted in buckets of so many seconds.
BUCKET_SECONDS = 5.0


@dataclass(slots=True)
class Job:
    """A job of the replay: when it comes, its deadline, how long it holds a slot, and when it was done."""

    comes: float
    deadline: float
    work: float
    urgent: bool = False
    done: float = inf

    @property
    def late(self) -> bool:
        """Whether it missed its deadline."""
        return self.done > self.deadline


@dataclass(frozen=True)
class WorkerGroup:
    """`workers` of `slots` each; one may die at `dies` and be back at `back`."""

    workers: int
    slots: int
    dies: float = inf
    back: float = inf

    def live(self, now: float) -> int:
        """The slots that work at that moment."""
        return (self.workers - (self.dies <= now < self.back)) * self.slots


@dataclass(frozen=True, slots=True)
class Look:
    """What is seen at `now`: jobs finished since the look before, live slots, open jobs by deadline."""

    now: float
    finished: int
    slots: int
    #: Of the open jobs, in the order of service: whether they are not urgent, their deadline, and how many.
    deadlines: list[tuple[bool, float, int]]
    #: What the latest works took; None of too few.
    works: Estimate | None = None


@dataclass
class Morning:
    """What happens on one morning, known beforehand: the workers, and all jobs as they come."""

    seed: int
    group: WorkerGroup
    jobs: list[Job]

    def as_known(self, at: float) -> Morning:
        """The same morning as it could be known at that moment, once it has been replayed.

        Nothing happens afterwards: no job comes, no worker dies or is back. A job that had not begun takes
        the average time.
        """
        mean = fmean(job.work for job in self.jobs)
        jobs = [
            replace(job, done=inf, work=job.work if job.done - job.work <= at else mean)
            for job in self.jobs
            if job.comes <= at
        ]
        group = self.group
        dies, back = (moment if moment <= at else inf for moment in (group.dies, group.back))
        return replace(self, group=replace(group, dies=dies, back=back), jobs=jobs)


def morning(seed: int) -> Morning:
    """The morning of a seed: from half idle to far too much, mostly around what the workers can just do."""
    dice = random.Random(seed)
    group = _group(dice)
    mean = dice.choice((2.0, 5.0, 10.0, 20.0, 40.0))
    # Few enough jobs for a quick replay.
    mean = max(mean, group.live(0) / 0.8)
    work = dice.choice(services(dice, mean))
    load = dice.uniform(0.5, 1.5)
    jobs_in_all = int(load * ARRIVALS_SECONDS * group.live(0) / mean)
    slas = dice.sample((600, 900, 1200, 1800, 2700, 3600, 5400), dice.randint(1, 3))
    jobs = [
        Job(comes, comes + dice.choice(slas), work(), urgent=dice.random() < 0.02)
        for comes in sorted(_arrivals(dice, jobs_in_all))
    ]
    return Morning(seed, group, jobs)


def _group(dice: random.Random) -> WorkerGroup:
    workers, slots = dice.randint(2, 6), dice.choice((1, 2, 4, 8))
    if dice.random() < 0.6:
        return WorkerGroup(workers, slots)
    dies = dice.uniform(0.1, 0.9) * ARRIVALS_SECONDS
    return WorkerGroup(workers, slots, dies, dice.choice((inf, dies + 30, dies + dice.uniform(300, 2400))))


def services(dice: random.Random, mean: float) -> list[Callable[[], float]]:
    """The ways in which the times of jobs may vary around a mean."""
    return [
        lambda: dice.expovariate(1 / mean),
        # Three steps.
        lambda: sum(dice.expovariate(3 / mean) for _ in range(3)),
        lambda: mean * dice.uniform(0.8, 1.2),
        # One in five takes eight times as long as the others.
        lambda: mean / 2.4 * (8 if dice.random() < 0.2 else 1) * dice.uniform(0.8, 1.2),
        # A long tail.
        lambda: dice.lognormvariate(log(mean) - 0.5, 1.0),
    ]


def _arrivals(dice: random.Random, jobs: int) -> Iterator[float]:
    """Up to four files of many jobs at once, and a stream that may swell towards the middle."""
    files = [(dice.uniform(0, 0.8), dice.uniform(0.05, 0.25)) for _ in range(dice.randint(0, 3))]
    if dice.random() < 0.5:
        files.append((0.0, dice.uniform(0.1, 0.6)))
    swells = dice.random() < 0.5
    for at, share in files:
        for _ in range(int(share * jobs)):
            yield at * ARRIVALS_SECONDS
        jobs -= int(share * jobs)
    for _ in range(jobs):
        yield ARRIVALS_SECONDS * (dice.triangular(0, 1) if swells else dice.random())


class Replay:
    """Works a morning off: `looks` yields what OPS sees meanwhile; afterwards each job knows its end."""

    def __init__(self, morning: Morning) -> None:
        self.group = morning.group
        self._backlog: list[tuple[bool, float, int, Job]] = []
        self._window: deque[Job] = deque()
        self._open: Counter[tuple[bool, float]] = Counter()
        self._finished = 0
        self._works: deque[float] = deque(maxlen=KEPT)
        self._running: dict[int, Job] = {}
        self._numbers = count()
        # What will happen: (when, number, what is to be done).
        self._agenda: list[tuple[float, int, Callable[[float], None]]] = []
        for job in morning.jobs:
            self._at(job.comes, partial(self._come, job))
        self._at(self.group.dies, self._die)
        self._at(self.group.back, self._start)

    def looks(self) -> Iterator[Look]:
        """Look every `LOOK_SECONDS` until nothing is left to do."""
        now = 0.0
        while now <= LAST_SECONDS and (self._agenda or self._open):
            finished = self._finished
            self.until(now)
            deadlines = [(*place, jobs) for place, jobs in sorted(self._open.items())]
            works = measured(list(self._works))
            yield Look(now, self._finished - finished, self.group.live(now), deadlines, works)
            now += LOOK_SECONDS

    @property
    def in_flight(self) -> int:
        """How many jobs run or stand in the window."""
        return len(self._running) + len(self._window)

    def backlog(self) -> list[Job]:
        """The jobs that wait, in the order of service."""
        return [entry[-1] for entry in sorted(self._backlog)]

    def until(self, now: float) -> None:
        """Let everything happen that happens up to `now`."""
        while self._agenda and self._agenda[0][0] <= now:
            at = self._agenda[0][0]
            while self._agenda and self._agenda[0][0] == at:
                heapq.heappop(self._agenda)[2](at)
            self._start(at)

    def _at(self, when: float, what: Callable[[float], None]) -> None:
        if when < inf:
            heapq.heappush(self._agenda, (when, next(self._numbers), what))

    def _come(self, job: Job, now: float) -> None:
        self._open[_bucket(job)] += 1
        self._wait(job, now)

    def _wait(self, job: Job, _: float) -> None:
        heapq.heappush(self._backlog, (not job.urgent, job.deadline, next(self._numbers), job))

    def _start(self, now: float) -> None:
        slots = self.group.live(now)
        room = 2 * slots + max(0, slots - len(self._running))
        while self._backlog and len(self._window) < room:
            self._window.append(heapq.heappop(self._backlog)[-1])
        while self._window and len(self._running) < slots:
            run, job = next(self._numbers), self._window.popleft()
            self._running[run] = job
            self._at(now + job.work, partial(self._end, run))

    def _end(self, run: int, now: float) -> None:
        if run in self._running:
            job = self._running.pop(run)
            job.done = now
            self._finished += 1
            self._works.append(job.work)
            self._open[_bucket(job)] -= 1
            if not self._open[_bucket(job)]:
                del self._open[_bucket(job)]

    def _die(self, now: float) -> None:
        """One worker of the group takes its share of what runs with it."""
        lost = list(self._running)[:: self.group.workers][: self.group.slots]
        for run in lost:
            job = self._running.pop(run)
            self._at(now + GONE_SECONDS, partial(self._wait, job))


def _bucket(job: Job) -> tuple[bool, float]:
    return not job.urgent, job.deadline // BUCKET_SECONDS * BUCKET_SECONDS
