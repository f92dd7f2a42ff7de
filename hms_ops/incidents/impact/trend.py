"""Trend of a queue during an incident: its open and late jobs, and how many were done a minute.

Of the last day by moments, five seconds apart; of what was before by samples, one a minute. A step that holds
several shows the most of them, so that a peak is as high as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hms_ops.documents.incidents import TrendPoint
from hms_ops.incidents.store import Incident
from hms_ops.metrics import history, moments
from hms_ops.metrics.moments import STEP_SECONDS, Moment

#: So long before it began, and after its end, belongs to its time.
BEFORE = timedelta(minutes=15)
AFTER = timedelta(minutes=5)
#: The most steps of one trend.
MOST = 360
_PLACES = ("backlog", "delayed", "window", "running", "held")


def of(connection: Connection, incident: Incident, now: datetime) -> list[TrendPoint]:
    """The time of an incident of a queue, oldest first; of no queue, nothing."""
    if incident.queue is None:
        return []
    queue, since = incident.queue, incident.active_at - BEFORE
    until = now if incident.resolved_at is None else min(now, incident.resolved_at + AFTER)
    seconds = (until - since).total_seconds() / MOST
    fine_step = STEP_SECONDS * max(1, -(-seconds // STEP_SECONDS))
    fine = list(drawn(moments.history(connection, queue, since, until, fine_step), fine_step))
    coarse_step = 60 * max(1, int(-(-seconds // 60)))
    before = fine[0].at - timedelta(seconds=coarse_step) if fine else until
    return [*_sampled(connection, queue, since, before, coarse_step), *fine]


def drawn(moments: Sequence[Moment], step: float) -> Iterator[TrendPoint]:
    """The moments as points: after an empty queue nothing was open, else a time without any is a gap."""
    before: Moment | None = None
    apart = timedelta(seconds=step)
    for moment in moments:
        idle = before is not None and not before.open and moment.at - before.at > 2 * apart
        if idle:
            yield TrendPoint(moment.at - apart, 0, 0, 0)
        elif before is None or moment.at - before.at > 2 * apart:
            yield TrendPoint(moment.at - apart)
        yield TrendPoint(
            moment.at, moment.open, moment.late, _throughput(before, moment, step if idle else None)
        )
        before = moment


def _throughput(before: Moment | None, moment: Moment, step: float | None) -> float | None:
    """Jobs done a minute since the moment before, or in the last `step` seconds of idle ones."""
    if before is None or before.done is None or moment.done is None or moment.done < before.done:
        return None
    return 60 * (moment.done - before.done) / (step or (moment.at - before.at).total_seconds())


def _sampled(
    connection: Connection, queue: str, since: datetime, until: datetime, step: int
) -> list[TrendPoint]:
    samples: dict[datetime, dict[str, float]] = {}
    lengths = history.history(connection, "queue.length", queue, since, until, step, _PLACES, together=True)
    for point in lengths:
        samples.setdefault(point.at, {})["open"] = point.most
    for name, field, times in (
        ("sla.breached", "late", 1),
        ("queue.throughput.minute", "done_per_minute", 60),
    ):
        for point in history.history(connection, name, queue, since, until, step, ("",)):
            samples.setdefault(point.at, {})[field] = times * point.most
    return [TrendPoint(at, **values) for at, values in sorted(samples.items())]
