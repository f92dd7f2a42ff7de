"""The outlook of a backlog: when each job ends if nothing changes, and which of them will be late.

It plans as the dispatcher does, with the same code, and lets the jobs be served in the order that follows: a
job ends after the work in front of it, spread over all slots. A change is a situation that differs; what it
would do is the difference of the two outlooks. Moments are seconds of one clock, and nothing here reads one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import inf
from typing import NamedTuple, TypeAlias, cast

from hms_oms.order.estimates import Estimate
from hms_oms.order.judging import judge
from hms_oms.order.plan import CELL_SECONDS, Cell, begins, early
from hms_oms.order.policy import Policy


class Open(NamedTuple):
    """An open job. `kind` is what its estimate goes by; `sla` is for how many seconds it was promised.

    It stands in the window or runs if it is `in_flight`; one that runs does since `runs_since`. What
    `is_part` of a step of another job is work, but no job that is on time or late.
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
    is_part: bool = False


#: What the jobs of a cell have in common: whether they must be on time, their kind, and when their turn is.
_Key: TypeAlias = tuple[bool, int, int]


class Place(NamedTuple):
    """A place in the line: the lower the `rank` the earlier, and in each rank by when a job is `due`."""

    rank: int
    due: float
    id: int
    job: Open


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

    def cost(self, kind: int) -> float:
        """What a job of a kind that has not started costs a slot, in seconds."""
        return max(self.estimates[kind].mean, self.spacing)


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
    costs = {kind: situation.cost(kind) for kind in {job.kind for job in situation.jobs}}
    front = [job for job in situation.jobs if job.in_flight]
    line = line_of(situation)
    given_up = _given_up(situation, line, front, costs)
    waiting = [job for _, _, _, job in line]
    kept = [job for job in waiting if job.id not in given_up] if given_up else waiting
    last = [job for job in waiting if job.id in given_up] if given_up else []
    means = {kind: situation.estimates[kind].mean for kind in costs}
    now, begins_at, slots = situation.now, situation.begins_at, situation.slots
    ends: dict[int, float] = {}
    late: set[int] = set()
    work = 0.0
    for job in chain(front, kept, last):
        need = rest(situation, job, means[job.kind])
        if job.runs_since is not None:
            end = now + need
        else:
            end = begins_at + work / slots + need if slots > 0 else inf
        work += need if job.in_flight else costs[job.kind]
        if job.is_part:
            continue
        ends[job.id] = end
        if end > job.deadline or job.deadline < now or job.id in given_up:
            late.add(job.id)
    return Outlook(ends, frozenset(late), given_up)


def line_of(situation: Situation) -> list[Place]:
    """The jobs that wait for their turn, in the order of their turns, as if none were given up."""
    waiting = (job for job in situation.jobs if not job.in_flight)
    if situation.policy is Policy.FIFO:
        return sorted(Place(-job.priority, job.accepted, job.id, job) for job in waiting)
    return sorted(Place(-job.priority, _due(situation, job), job.id, job) for job in waiting)


def rest(situation: Situation, job: Open, mean: float) -> float:
    """How many seconds of a slot a job still needs, if such jobs need `mean`."""
    return mean if job.runs_since is None else max(0.0, mean - (situation.now - job.runs_since))


def _due(situation: Situation, job: Open) -> float:
    if not job.must:
        return job.deadline
    return job.deadline - early(job.sla, situation.estimates[job.kind].upper)


def _given_up(
    situation: Situation, line: Sequence[Place], front: Iterable[Open], costs: Mapping[int, float]
) -> frozenset[int]:
    """The jobs that a plan gives up of the line: by cells, the nearest deadlines of each."""
    if not situation.policy.gives_up or situation.slots <= 0:
        return frozenset()
    # The dispatcher counts what stands in the window, and not what runs.
    in_front = sum(costs[job.kind] for job in front if job.runs_since is None)
    cells: dict[_Key, list[Place]] = defaultdict(list)
    for place in line:
        rank, due, _, job = place
        if not rank:
            cells[job.must, job.kind, int(due // CELL_SECONDS)].append(place)
        elif rank < 0:
            in_front += costs[job.kind]
    ahead = begins(situation.begins_at, in_front, situation.slots)
    counted = (
        _cell(key, places, situation.estimates[key[1]]._replace(mean=costs[key[1]]))
        for key, places in cells.items()
    )
    cuts = judge(counted, situation.slots, ahead).cuts
    return frozenset(place[2] for key, leave in cuts for place in cells[cast("_Key", key)][:leave])


def _cell(key: _Key, places: Sequence[Place], estimate: Estimate) -> Cell:
    _, due, _, job = places[0]
    return Cell(due, estimate.mean, estimate.upper, job.must, len(places), key, job.deadline - due)
