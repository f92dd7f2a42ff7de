"""A backlog in memory: it answers and moves as the ledger does, without a database.

Only its cells are no wider for deadlines that are far ahead.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from hms_oms.order.estimates import Estimate
from hms_oms.order.plan import CELL_SECONDS, Cell, Move, savable
from hms_oms.order.policy import Policy


@dataclass(slots=True, eq=False)
class Job:
    """A job, and what became of it; moments are seconds.

    `service` is how long it will hold a slot, which only the simulator knows; `kind` is what its estimate
    goes by. It is served by `due`, which is its deadline unless it must be on time.
    """

    number: int
    arrival: float
    service: float
    deadline: float
    kind: Hashable = None
    must: bool = False
    priority: int = 0
    due: float = inf
    given_up: bool = False
    begun: float = inf
    done: float = inf

    def __post_init__(self) -> None:
        self.due = min(self.due, self.deadline)

    @property
    def on_time(self) -> bool:
        """Whether it was done by its deadline."""
        return self.done <= self.deadline


class Key(NamedTuple):
    """What the jobs of a cell have in common."""

    must: bool
    kind: Hashable
    place: int


@dataclass(slots=True)
class _Members:
    """Jobs of a cell by `due` and number: those in the line, and those that were given up."""

    line: list[tuple[float, int]] = field(default_factory=list)
    given_up: list[tuple[float, int]] = field(default_factory=list)


class Backlog:
    """Waiting jobs under a policy: the line, and behind it those that were given up, by deadline."""

    def __init__(self, policy: Policy, cell_seconds: float = CELL_SECONDS) -> None:
        self._policy = policy
        self._cell_seconds = cell_seconds
        self._jobs: dict[int, Job] = {}
        self._cells: dict[Key, _Members] = {}
        # Jobs that have left the backlog, or its side of it, are passed over.
        self._line: list[tuple[int, float, int]] = []
        self._given_up: list[tuple[float, int]] = []
        self.given_up = 0

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def put(self, job: Job) -> None:
        """Add a job that is new, or is back, to the line."""
        self._jobs[job.number] = job
        self._enter(job, given_up=False)

    def remove(self, job: Job) -> None:
        """Remove a job that was taken, or is to be put back with another deadline."""
        self._leave(job)
        del self._jobs[job.number]

    def front(self) -> Job | None:
        """The first job of the line."""
        while self._line:
            job = self._jobs.get(self._line[0][-1])
            if job is not None and not job.given_up and self._rank(job) == self._line[0]:
                return job
            heappop(self._line)
        return None

    def front_given_up(self) -> Job | None:
        """The job with the nearest deadline of those that were given up."""
        while self._given_up:
            job = self._jobs.get(self._given_up[0][-1])
            if job is not None and job.given_up and job.deadline == self._given_up[0][0]:
                return job
            heappop(self._given_up)
        return None

    def give_up(self, job: Job) -> None:
        """Move a job out of the line."""
        self._leave(job)
        self._enter(job, given_up=True)

    def cells(self, estimate: Callable[[Hashable], Estimate], now: float) -> list[Cell]:
        """Count the waiting jobs by cell; those put in front by hand, and late ones given up, are in none."""
        return [
            self._cell(key, members, estimate(key.kind))
            for key, members in self._cells.items()
            if members.line or self._jobs[members.given_up[-1][1]].deadline > now
        ]

    def carry_out(self, moves: Iterable[Move]) -> int:
        """Give up the nearest of a cell's line, or take the farthest back; return how many have moved."""
        moved = 0
        for key, count in moves:
            assert isinstance(key, Key)
            members = self._cells[key]
            chosen = members.line[:count] if count > 0 else members.given_up[count:]
            for _, number in chosen:
                job = self._jobs[number]
                self._leave(job)
                self._enter(job, given_up=count > 0)
            moved += len(chosen)
        return moved

    def _cell(self, key: Key, members: _Members, estimate: Estimate) -> Cell:
        line, given_up = members.line, members.given_up
        due, number = min(line[0], given_up[0]) if line and given_up else (line or given_up)[0]
        pull = self._jobs[number].deadline - due if key.must else 0.0
        jobs = len(line) + len(given_up)
        return Cell(due, estimate.mean, estimate.upper, key.must, jobs, key, pull, len(given_up))

    def _enter(self, job: Job, given_up: bool) -> None:
        job.given_up = given_up
        self.given_up += given_up
        if given_up:
            heappush(self._given_up, (job.deadline, job.number))
        else:
            heappush(self._line, self._rank(job))
        if not job.priority and self._policy.gives_up:
            members = self._cells.setdefault(self._key(job), _Members())
            insort(members.given_up if given_up else members.line, (job.due, job.number))

    def _leave(self, job: Job) -> None:
        self.given_up -= job.given_up
        if not job.priority and self._policy.gives_up:
            key = self._key(job)
            members = self._cells[key]
            side = members.given_up if job.given_up else members.line
            del side[bisect_left(side, (job.due, job.number))]
            if not members.line and not members.given_up:
                del self._cells[key]

    def _key(self, job: Job) -> Key:
        return Key(job.must, job.kind, int(job.due // self._cell_seconds))

    def _rank(self, job: Job) -> tuple[int, float, int]:
        moment = job.arrival if self._policy is Policy.FIFO else job.due
        return -job.priority, moment, job.number


def is_late(job: Job, estimate: Estimate, ahead: float) -> bool:
    """Whether a job that begins at `ahead` is not likely to meet its deadline; never if put there by hand."""
    alone = Cell(job.due, *estimate, job.must, 1, None, job.deadline - job.due)
    return not job.priority and not savable(alone, ahead)
