"""The simulator: arrivals against workers under a policy, with the product's own order.

Only the clock, the workers and the ledger are replaced. Jobs are one piece: they hold a slot for their
service and are not interrupted. Taken jobs stand in a window of twice the slots, in the order of taking.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple, cast

from hms_oms.order.backlog import Backlog, Job, is_late
from hms_oms.order.estimates import KEPT, Calibration, Estimate, estimate
from hms_oms.order.judging import judge
from hms_oms.order.plan import begins, moves
from hms_oms.order.policy import Credit, Policy

#: How often a plan is made, in seconds; at once if so much of the backlog has come since.
PLAN_SECONDS = 5.0
PLAN_SHARE = 0.05
#: The window in front of the workers, over their slots.
WINDOW = 2


class Change(NamedTuple):
    """From a moment on there are so many slots, or jobs that wait have other deadlines."""

    at: float
    slots: int | None = None
    deadlines: Callable[[Iterable[Job], float], Sequence[tuple[Job, float]]] | None = None


class Works:
    """Works by kind, as the ledger keeps them, and the queue's calibration."""

    def __init__(self, recipe: float, scale: float = 1.0) -> None:
        self._recipe = recipe
        self._scale = scale
        self._queue: deque[float] = deque(maxlen=KEPT)
        self._kinds: dict[Hashable, deque[float]] = {}
        self._raw: dict[Hashable, Estimate] = {}
        self._now: dict[Hashable, Estimate] = {}
        self._factor = 1.0
        self.calibration = Calibration()

    def add(self, kind: Hashable, work: float) -> None:
        """Add a work that was measured."""
        self._queue.append(work)
        self._kinds.setdefault(kind, deque(maxlen=KEPT)).append(work)

    def ended(self, kind: Hashable, work: float) -> None:
        """Add a work, and hold it against its estimate."""
        self.calibration = self.calibration.after(work, self._estimate(kind).mean)
        self.add(kind, work)

    def estimate(self, kind: Hashable) -> Estimate:
        """Estimate a kind of work, as of the last plan."""
        if kind not in self._now:
            self._now[kind] = self._estimate(kind).times(self._factor)
        return self._now[kind]

    def renew(self) -> None:
        """Estimate by the latest works from now on."""
        self._raw.clear()
        self._now.clear()
        self._factor = self.calibration.factor

    def _estimate(self, kind: Hashable) -> Estimate:
        if kind not in self._raw:
            works = estimate([*self._kinds.get(kind, ())], [*self._queue], self._recipe)
            self._raw[kind] = works.times(self._scale)
        return self._raw[kind]


class Known(Works):
    """Works whose sizes are known beforehand: the kind is the size."""

    def ended(self, kind: Hashable, work: float) -> None:
        """Learn nothing."""

    def estimate(self, kind: Hashable) -> Estimate:
        """The size itself."""
        size = cast("float", kind)
        return Estimate(size, size)


@dataclass(slots=True)
class Figures:
    """What a run has cost: plans, jobs moved by them, and those that the first one gave up."""

    plans: int = 0
    moved: int = 0
    first: frozenset[int] = field(default_factory=frozenset)


class Simulation:
    """One run over `jobs`, which know afterwards when they were done."""

    def __init__(
        self,
        jobs: Iterable[Job],
        slots: int,
        policy: Policy,
        works: Works,
        changes: Iterable[Change] = (),
        plan_seconds: float = PLAN_SECONDS,
        reserved: float | None = None,
    ) -> None:
        self.figures = Figures()
        self._arrivals = deque(sorted(jobs, key=lambda job: (job.arrival, job.number)))
        self._changes = deque(sorted(changes, key=lambda change: change.at))
        self._slots = slots
        self._policy = policy
        self._works = works
        self._plan_seconds = plan_seconds
        self._credit = Credit(policy.reserved if reserved is None else reserved)
        self._backlog = Backlog(policy)
        self._window: deque[Job] = deque()
        self._running: list[tuple[float, int, Job]] = []
        self._next_plan = 0.0
        self._is_tight = False
        self._new = 0

    def run(self) -> Figures:
        """Let everything happen."""
        while (now := self._next()) < inf:
            self._end(now)
            self._change(now)
            self._arrive(now)
            if self._policy.gives_up:
                self._plan(now)
            self._start(now)
        return self.figures

    def _next(self) -> float:
        moments = [
            self._running[0][0] if self._running else inf,
            self._arrivals[0].arrival if self._arrivals else inf,
            self._changes[0].at if self._changes and (self._arrivals or self._backlog) else inf,
        ]
        return min(moments)

    def _end(self, now: float) -> None:
        while self._running and self._running[0][0] <= now:
            _, _, job = heappop(self._running)
            job.done = now
            self._works.ended(job.kind, job.service)

    def _change(self, now: float) -> None:
        while self._changes and self._changes[0].at <= now:
            change = self._changes.popleft()
            self._next_plan = now
            if change.slots is not None:
                self._slots = change.slots
            if change.deadlines is not None:
                for job, deadline in change.deadlines(self._backlog, now):
                    self._backlog.remove(job)
                    job.due += deadline - job.deadline
                    job.deadline = deadline
                    self._backlog.put(job)

    def _arrive(self, now: float) -> None:
        while self._arrivals and self._arrivals[0].arrival <= now:
            self._backlog.put(self._arrivals.popleft())
            self._new += 1

    def _plan(self, now: float) -> None:
        """Give up what has to be, every few seconds; at once after a large file."""
        if now < self._next_plan and self._new <= PLAN_SHARE * len(self._backlog):
            return
        self._next_plan, self._new = now + self._plan_seconds, 0
        self._works.renew()
        cells = self._backlog.cells(self._works.estimate, now)
        judgement = judge(cells, self._slots, self._ahead(now))
        self._is_tight = judgement.given_up > 0
        self.figures.moved += self._backlog.carry_out(moves(cells, judgement.cuts))
        self.figures.plans += 1
        if self.figures.plans == 1:
            self.figures.first = frozenset(job.number for job in self._backlog if job.given_up)

    def _start(self, now: float) -> None:
        """Fill the window, and let idle slots begin what stands in it."""
        while True:
            while self._window and len(self._running) < self._slots:
                job = self._window.popleft()
                job.begun = now
                heappush(self._running, (now + job.service, job.number, job))
            if len(self._window) >= WINDOW * self._slots or not self._backlog:
                return
            if self._window and self._policy is Policy.DEFER and self._savable(now) is None:
                # What is deferred begins when nothing else does.
                return
            self._window.append(self._take(now))

    def _take(self, now: float) -> Job:
        """Take the next job: of those that were given up if there is credit for one, or nobody else waits."""
        job, oldest = self._savable(now), self._backlog.front_given_up()
        if oldest is None:
            self._credit.clear()
        elif job is None or self._credit.spend(self._works.estimate(oldest.kind).mean):
            job = oldest
        else:
            self._credit.earn(self._works.estimate(job.kind).mean)
        assert job is not None
        self._backlog.remove(job)
        return job

    def _savable(self, now: float) -> Job | None:
        """The first job of the line; on the way to it, jobs that cannot be on time any more leave."""
        job = self._backlog.front()
        if self._is_tight:
            ahead = self._ahead(now)
            while job is not None and is_late(job, self._works.estimate(job.kind), ahead):
                self._backlog.give_up(job)
                job = self._backlog.front()
        return job

    def _ahead(self, now: float) -> float:
        """When a job that is taken now begins."""
        work = sum(self._works.estimate(job.kind).mean for job in self._window)
        return begins(now, work, self._slots)
