"""The line of a queue: the jobs that wait, in the order of their turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from types import MappingProxyType
from typing import NamedTuple

from hms_oms.order.estimates import Estimate
from hms_oms.order.foresight.open_jobs import Group, Open, OpenJobs, in_order
from hms_oms.order.plan import early
from hms_oms.order.policy import Policy


class Situation(NamedTuple):
    """Open jobs of a queue at `now`, and who works on them.

    Jobs that have not started are begun from `begins_at` on, which is later if the queue is paused. None of
    them costs a slot less than `spacing` seconds, under a limit of starts. So many `works` of a kind were
    measured; as many as are kept, if it is not said.
    """

    policy: Policy
    slots: int
    now: float
    begins_at: float
    jobs: OpenJobs
    estimates: Mapping[int, Estimate]
    spacing: float = 0.0
    works: Mapping[int, int] = MappingProxyType({})

    def cost(self, kind: int) -> float:
        """What a job of a kind that has not started costs a slot, in seconds."""
        return max(self.estimates[kind].mean, self.spacing)

    def costs(self) -> Mapping[int, float]:
        """What a job that has not started costs a slot, by kind."""
        return {kind: self.cost(kind) for kind in self.jobs.kinds}

    def rest(self, job: Open) -> float:
        """How many seconds of a slot a job in flight still needs."""
        mean = self.estimates[job.kind].mean
        return mean if job.runs_since is None else max(0.0, mean - (self.now - job.runs_since))

    def pull(self, group: Group) -> float:
        """How many seconds before their deadlines jobs of a group are served as if they were due."""
        return early(group.sla, self.estimates[group.kind].upper) if group.must else 0.0


class Line(NamedTuple):
    """Waiting jobs in the order of their turns: the lower the rank the earlier, and in each by when due."""

    ids: Sequence[int]
    ranks: Sequence[int]
    dues: Sequence[float]
    deadlines: Sequence[float]
    kinds: Sequence[int]

    def chosen(self, places: Sequence[int]) -> Line:
        """The jobs at these places, in their order."""
        return Line._make(in_order(places, column) for column in self)

    def before(self, job: int) -> Line:
        """The jobs in front of one."""
        return self.chosen(range(self.ids.index(job)))


def line_of(situation: Situation) -> Line:
    """The jobs that wait for their turn, as if none were given up."""
    by_rank: defaultdict[int, list[Group]] = defaultdict(list)
    for group in situation.jobs.groups:
        by_rank[-group.priority].append(group)
    lines = [_rank(situation, rank, by_rank[rank]) for rank in sorted(by_rank)]
    if len(lines) == 1:
        return lines[0]
    columns = (
        list(chain.from_iterable(line[column] for line in lines)) for column in range(len(Line._fields))
    )
    return Line._make(columns)


def _rank(situation: Situation, rank: int, groups: Sequence[Group]) -> Line:
    """The groups of one rank in one line."""
    together = Line(
        list(chain.from_iterable(group.ids for group in groups)),
        [rank] * sum(len(group.ids) for group in groups),
        list(chain.from_iterable(_dues(situation, group) for group in groups)),
        list(chain.from_iterable(group.deadlines for group in groups)),
        list(chain.from_iterable(repeat(group.kind, len(group.ids)) for group in groups)),
    )
    if len(groups) == 1 and situation.policy is not Policy.FIFO:
        return together
    dues = together.dues
    order = sorted(range(len(dues)), key=dues.__getitem__)
    if len(set(dues)) < len(dues):
        # Of those that are due at once the one with the lower id is first.
        order.sort(key=list(zip(dues, together.ids, strict=True)).__getitem__)
    return together.chosen(order)


def _dues(situation: Situation, group: Group) -> Sequence[float]:
    if situation.policy is Policy.FIFO:
        return group.accepted
    pull = situation.pull(group)
    return [deadline - pull for deadline in group.deadlines] if pull else group.deadlines
