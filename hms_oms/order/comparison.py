"""Policies side by side: the same jobs against the same slots, and the bound that none of them can beat."""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from math import inf
from statistics import fmean

from hms_oms.order.backlog import Job
from hms_oms.order.bound import bound
from hms_oms.order.estimates import KEPT
from hms_oms.order.plan import early
from hms_oms.order.policy import Policy
from hms_oms.order.simulation import Simulation, Works


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the jobs under a policy; waits and lateness are seconds."""

    policy: Policy
    jobs: Sequence[Job]

    @property
    def on_time(self) -> int:
        """How many were on time."""
        return sum(job.on_time for job in self.jobs)

    @property
    def must_late(self) -> int:
        """How many were late of those that must not."""
        return sum(job.must and not job.on_time for job in self.jobs)

    @property
    def mean_lateness(self) -> float:
        """By how much those that were late were late, on average."""
        late = [job.done - job.deadline for job in self.jobs if not job.on_time]
        return fmean(late) if late else 0.0

    @property
    def longest_wait(self) -> float:
        """The longest time from the arrival of a job to its begin."""
        return max(job.begun - job.arrival for job in self.jobs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Outcomes by policy, and at most how many could be on time."""

    slots: int
    outcomes: Sequence[Outcome]
    most: float

    @property
    def jobs(self) -> int:
        """How many jobs there were."""
        return len(self.outcomes[0].jobs)


def compare(jobs: Sequence[Job], slots: int, policies: Sequence[Policy]) -> Comparison:
    """Simulate each policy over the same jobs.

    Works are known as of the day before: as the queue would that has run such jobs already.
    """
    outcomes = []
    for policy in policies:
        works = _works(jobs)
        again = [_placed(job, works, policy) for job in jobs]
        Simulation(again, slots, policy, works).run()
        outcomes.append(Outcome(policy, again))
    return Comparison(slots, outcomes, bound(jobs, [(-inf, slots)]))


def _works(jobs: Sequence[Job]) -> Works:
    """Works of jobs like these, drawn from them."""
    by_kind: dict[Hashable, list[float]] = {}
    for job in jobs:
        by_kind.setdefault(job.kind, []).append(job.service)
    works = Works(fmean(job.service for job in jobs))
    dice = random.Random(0)  # noqa: S311 -- the same draw each time
    for kind, services in by_kind.items():
        for service in dice.sample(services, min(KEPT, len(services))):
            works.add(kind, service)
    return works


def _placed(job: Job, works: Works, policy: Policy) -> Job:
    """The job before anything has happened; one that must be on time is served early."""
    if not job.must or policy is Policy.FIFO:
        return replace(job)
    pull = early(job.deadline - job.arrival, works.estimate(job.kind).upper)
    return replace(job, due=job.deadline - pull)
