"""What a change would do to open jobs: two outlooks, and the jobs in which they differ."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest

from hms_oms.documents.foresight import Effect, Outlook
from hms_oms.jobs.tickets import job_name
from hms_oms.order.foresight import outlook as foreseen
from hms_oms.order.foresight.line import Situation

#: So many jobs are named.
NAMED = 100


def of(queue: str, before: Situation, after: Situation) -> Effect:
    """Compare a queue as it is with what a change would make of it."""
    first, second = foreseen.outlook(before), foreseen.outlook(after)
    # What is no longer in the queue is neither late nor on time in it.
    into = second.late - first.late
    out = (first.late - second.late) & second.ends.keys()
    return Effect(
        queue,
        summary(first),
        summary(second),
        _named(after, into),
        len(into),
        _named(after, out),
        len(out),
    )


def summary(outlook: foreseen.Outlook) -> Outlook:
    """An outlook in numbers."""
    return Outlook(len(outlook.ends), outlook.on_time, len(outlook.late), len(outlook.given_up))


def _named(situation: Situation, chosen: Iterable[int]) -> tuple[str, ...]:
    among = frozenset(chosen)
    if not among:
        return ()
    # Of a job in parts each part has a deadline.
    deadlines: dict[int, float] = {}
    for deadline, job in situation.jobs.deadlines():
        if job in among:
            deadlines[job] = min(deadline, deadlines.get(job, deadline))
    return tuple(map(job_name, nsmallest(NAMED, deadlines, key=lambda job: (deadlines[job], job))))
