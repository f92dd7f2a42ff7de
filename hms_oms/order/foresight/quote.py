"""A quote for a new job: when it would end, how likely it would be late, and what it can be given instead."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import hypot
from typing import NamedTuple

from hms_oms.order.estimates import Estimate
from hms_oms.order.foresight import chance
from hms_oms.order.foresight.line import Line, Situation
from hms_oms.order.foresight.open_jobs import Open
from hms_oms.order.foresight.outlook import Outlook, outlook
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
    after = outlook(situation._replace(jobs=situation.jobs.plus([job])))
    end = after.ends[job.id]
    variance = chance.variances(situation, after.line.before(job.id))[-1]
    spread = _deviation(variance, situation, situation.estimates[job.kind])
    return Quote(
        end,
        chance.of_lateness(end, spread, job.deadline),
        after.late - before.late - {job.id},
        _earliest(situation, before, job),
    )


def _earliest(situation: Situation, before: Outlook, job: Open) -> float | None:
    """The earliest deadline that can be promised: behind all that the job would make late."""
    if situation.slots <= 0:
        return None
    own = situation.estimates[job.kind]
    line = before.line.chosen(range(before.kept))
    first = bisect_left(line.ranks, -job.priority)
    last = bisect_right(line.ranks, -job.priority)
    harmed = _last_harmed(situation, line, before.line_ends, situation.cost(job.kind) / situation.slots)
    if harmed >= last:
        return None
    fifo = situation.policy is Policy.FIFO
    works, variances = chance.works(situation, line), chance.variances(situation, line)
    for number in range(last if fifo else max(first, harmed + 1), last + 1):
        end = situation.begins_at + works[number] / situation.slots + own.mean
        due = end + chance.SURE * _deviation(variances[number], situation, own)
        # By deadline it stands behind all that are due earlier, and before all that are due later.
        if not fifo and number > first:
            due = max(due, line.dues[number - 1])
        if fifo or number == last or due < line.dues[number]:
            return due
    return None


def _last_harmed(situation: Situation, line: Line, ends: Sequence[float], seconds: float) -> int:
    """The last one in a line that so many seconds more would make late; -1 if there is none."""
    for number in reversed(range(len(line.ids))):
        deadline, end = line.deadlines[number], ends[number]
        if situation.now <= deadline and end <= deadline < end + seconds:
            return number
    return -1


def _deviation(variance: float, situation: Situation, own: Estimate) -> float:
    """The standard deviation of an end behind works of this variance."""
    ahead = variance**0.5 / situation.slots if situation.slots else 0.0
    return hypot(ahead, chance.deviation(own))
