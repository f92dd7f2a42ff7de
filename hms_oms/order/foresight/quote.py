"""A quote for a new job: when it would end, how likely it would be late, and what it can be given instead."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import hypot, inf
from typing import NamedTuple

from hms_oms.order.estimates import Estimate
from hms_oms.order.foresight import chance
from hms_oms.order.foresight.outlook import Open, Outlook, Place, Situation, line_of, outlook
from hms_oms.order.policy import Policy

#: A deadline holds if it is missed with no more than this chance.
HOLDS = 0.05


class Quote(NamedTuple):
    """What a new job can expect; it ends at `end`, infinite if never, and is late with the chance `late`.

    `others` are jobs that would be late because of it. With the deadline `earliest` it would be on time in 95
    of 100 cases, without another one being late because of it (None: there is no such deadline).
    """

    end: float
    late: float
    others: frozenset[int]
    earliest: float | None

    @property
    def holds(self) -> bool:
        """Whether its deadline holds, and it makes no other job late."""
        return self.late <= HOLDS and not self.others


def quote(situation: Situation, job: Open) -> Quote:
    """Quote a new job."""
    before = outlook(situation)
    after = outlook(situation._replace(jobs=[*situation.jobs, job]))
    end = after.ends[job.id]
    spread = _spread(situation, after, job)
    return Quote(
        end,
        chance.of_lateness(end, spread, job.deadline),
        after.late - before.late - {job.id},
        _earliest(situation, before, job),
    )


def _spread(situation: Situation, after: Outlook, job: Open) -> float:
    """The standard deviation of the job's end."""
    kinds = {open_job.id: open_job.kind for open_job in situation.jobs}
    variance = 0.0
    for other in after.ends:
        if other == job.id:
            break
        variance += chance.deviation(situation.estimates[kinds[other]]) ** 2
    return _deviation(variance, situation, situation.estimates[job.kind])


def _earliest(situation: Situation, before: Outlook, job: Open) -> float | None:
    """The earliest deadline that can be promised: behind all that the job would make late."""
    if situation.slots <= 0:
        return None
    own = situation.estimates[job.kind]
    line = [place for place in line_of(situation) if place.id not in before.given_up]
    first = bisect_left(line, -job.priority, key=lambda place: place.rank)
    last = bisect_right(line, -job.priority, key=lambda place: place.rank)
    harmed = _last_harmed(line, before, situation.cost(job.kind) / situation.slots)
    if harmed >= last:
        return None
    fifo = situation.policy is Policy.FIFO
    for number, (work, variance) in enumerate(chance.ahead(situation, line)):
        if not (last if fifo else max(first, harmed + 1)) <= number <= last:
            continue
        end = situation.begins_at + work / situation.slots + own.mean
        due = end + chance.SURE * _deviation(variance, situation, own)
        # By deadline it stands behind all that are due earlier, and before all that are due later.
        if not fifo and number > first:
            due = max(due, line[number - 1].due)
        if fifo or number == last or due < line[number].due:
            return due
    return None


def _last_harmed(line: Sequence[Place], before: Outlook, seconds: float) -> int:
    """The last one in a line that so many seconds more would make late; -1 if there is none."""
    for number in reversed(range(len(line))):
        job = line[number].job
        end = before.ends.get(job.id, -inf)
        if job.id not in before.late and end + seconds > job.deadline:
            return number
    return -1


def _deviation(variance: float, situation: Situation, own: Estimate) -> float:
    """The standard deviation of an end behind works of this variance."""
    ahead = variance**0.5 / situation.slots if situation.slots else 0.0
    return hypot(ahead, chance.deviation(own))
