"""Rule: on average, jobs wait longer than their SLA."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from hms_ops.findings import Finding, Key
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.rules.limits import Limits

NAME = "slow"
TITLE = "Jobs wait too long"
#: The mean wait is compared with `share` of the SLA, once there are so many `jobs` to take the mean of.
DEFAULTS: Mapping[str, float] = {"for_seconds": 30, "share": 1.0, "jobs": 5}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """Queues whose mean wait is above the SLA while a job still waits that long; the value is the mean.

    The mean is of five minutes: once all who waited have had their turn, it says how it was.
    """
    judged = (_judge(queue, snapshot.now, limits) for queue in snapshot.queues)
    return [finding for finding in judged if finding is not None]


def unknown(snapshot: Snapshot) -> list[Key]:
    """Queues whose last five minutes have not been read yet."""
    return [(NAME, queue.name, None) for queue in snapshot.queues if queue.waits is None]


def _judge(queue: QueueSnapshot, now: datetime, limits: Limits) -> Finding | None:
    waits = queue.waits
    if waits is None or waits.mean is None or queue.sla_minutes is None:
        return None
    jobs = waits.begun + queue.waiting + queue.queued
    allowed = 60 * queue.sla_minutes * limits("share", queue.name)
    if jobs < limits("jobs", queue.name) or waits.mean <= allowed:
        return None
    oldest = min((at for at in (queue.oldest_waiting, queue.oldest_queued) if at is not None), default=now)
    if (now - oldest).total_seconds() <= allowed:
        return None
    return Finding(
        NAME,
        queue.name,
        waits.mean,
        facts={
            "mean_wait": waits.mean,
            "p95_wait": waits.p95,
            "sla_minutes": queue.sla_minutes,
            "begun": waits.begun,
            "waiting": queue.waiting,
            "source": waits.source,
        },
    )
