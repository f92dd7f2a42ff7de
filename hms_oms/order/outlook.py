"""The outlook of a backlog: when each job ends if nothing changes, and which of them will be late.

It plans as the dispatcher does, with the same code, and lets the jobs be served in the order that follows: a
job ends after the work in front of it, spread over all slots. A change is a situation that differs; what it
would do is the difference of the two outlooks. Moments are seconds of one clock, and nothing here reads one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import inf
from typing import NamedTuple, TypeAlias

from hms_oms.order.estimates import Estimate
from hms_oms.order.judging import judge
from hms_oms.order.plan import CELL_SECONDS, Cell, begins, early
from hms_oms.order.policy import Policy


class Open(NamedTuple):
    """An open job. `kind` is what its estimate goes by; `sla` is for how many seconds it was promised.

    It stands in the window or runs if it is `in_flight`; one that runs does since `runs_since`.
    """

    id: int
    accepted: float
    deadline: float
    kind: int
    sla: float = 0.0
    must: bool = False
    priority: int = 0
    in_flight: bool = False
    runs_since: float | None = None


#: When it is a job's turn.
_Due: TypeAlias = Callable[[Open], float]


class Situation(NamedTuple):
    """Open jobs of a queue at `now`, and who works on them.

    Jobs that have not started are begun from `begins_at` on, which is later if the queue is paused. None of
    them costs a slot less than `spacing` seconds, under a limit of starts.
    """

    policy: Policy
    slots: int
    now: float
    begins_at: float
    jobs: Sequence[Open]
    estimates: Mapping[int, Estimate]
    spacing: float = 0.0

    def estimate(self, kind: int) -> Estimate:
        """What a job of a kind needs."""
        mean, upper = self.estimates[kind]
        return Estimate(max(mean, self.spacing), upper)


class Outlook(NamedTuple):
    """When each job ends, infinite if never, in the order in which they are served; `late` ones miss it.

    Late are those that are past their deadline, were given up, or end after it.
    """

    ends: Mapping[int, float]
    late: frozenset[int]
    given_up: frozenset[int]

    @property
    def on_time(self) -> float | None:
        """The share of the jobs that will be on time; None of none."""
        return 1 - len(self.late) / len(self.ends) if self.ends else None


def outlook(situation: Situation) -> Outlook:
    """Foresee a situation."""
    estimates = {kind: situation.estimate(kind) for kind in {job.kind for job in situation.jobs}}
    due = _due(situation.policy, estimates)
    front = [job for job in situation.jobs if job.in_flight]
    line = sorted(
        (job for job in situation.jobs if not job.in_flight),
        key=lambda job: (-job.priority, due(job), job.id),
    )
    given_up = _given_up(situation, line, front, estimates, due)
    kept = (job for job in line if job.id not in given_up)
    last = (job for job in line if job.id in given_up)
    ends, late, work = {}, set(), 0.0
    for job in chain(front, kept, last):
        mean = estimates[job.kind].mean
        if job.runs_since is not None:
            mean = max(0.0, mean - (situation.now - job.runs_since))
            end = situation.now + mean
        elif situation.slots > 0:
            end = situation.begins_at + work / situation.slots + mean
        else:
            end = inf
        work += mean
        ends[job.id] = end
        if end > job.deadline or job.deadline < situation.now or job.id in given_up:
            late.add(job.id)
    return Outlook(ends, frozenset(late), given_up)


def _due(policy: Policy, estimates: Mapping[int, Estimate]) -> _Due:
    if policy is Policy.FIFO:
        return lambda job: job.accepted
    return lambda job: job.deadline - (early(job.sla, estimates[job.kind].upper) if job.must else 0.0)


def _given_up(
    situation: Situation,
    line: Sequence[Open],
    front: Iterable[Open],
    estimates: Mapping[int, Estimate],
    due: _Due,
) -> frozenset[int]:
    """The jobs that a plan gives up of the line: by cells, the nearest deadlines of each."""
    if situation.policy is not Policy.MOST_ON_TIME or situation.slots <= 0:
        return frozenset()
    # The dispatcher counts what stands in the window, and not what runs.
    in_front = sum(estimates[job.kind].mean for job in front if job.runs_since is None)
    cells: dict[tuple[bool, int, int], list[Open]] = {}
    for job in line:
        if job.priority > 0:
            in_front += estimates[job.kind].mean
        elif job.priority == 0:
            cells.setdefault((job.must, job.kind, int(due(job) // CELL_SECONDS)), []).append(job)
    ahead = begins(situation.begins_at, in_front, situation.slots)
    counted = (_cell(key, jobs, estimates[key[1]], due(jobs[0])) for key, jobs in cells.items())
    cuts = judge(counted, situation.slots, ahead).cuts
    return frozenset(job.id for key, leave in cuts for job in cells[key][:leave])  # type: ignore[index]


def _cell(key: tuple[bool, int, int], jobs: Sequence[Open], estimate: Estimate, due: float) -> Cell:
    pull = jobs[0].deadline - due if jobs[0].must else 0.0
    return Cell(due, estimate.mean, estimate.upper, jobs[0].must, len(jobs), key, pull)
