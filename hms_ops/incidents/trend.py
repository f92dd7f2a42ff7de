"""How a queue went while an incident lasted: its open and late jobs, and how many were done a minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hms_ops.incidents.store import Incident
from hms_ops.metrics import history

#: So long before it began, and after its end, belongs to its time.
BEFORE = timedelta(minutes=15)
AFTER = timedelta(minutes=5)
#: The most steps of one trend.
MOST = 240
_PLACES = ("backlog", "delayed", "window", "running")


@dataclass(frozen=True, slots=True)
class Moment:
    """A queue over the step that begins at `at`, in means; None is a gap."""

    at: datetime
    open: float | None = None
    late: float | None = None
    done_per_minute: float | None = None


def of(connection: Connection, incident: Incident, now: datetime) -> list[Moment]:
    """The time of an incident of a queue, oldest first; of no queue, nothing."""
    if incident.queue is None:
        return []
    queue, since = incident.queue, incident.active_at - BEFORE
    until = now if incident.resolved_at is None else min(now, incident.resolved_at + AFTER)
    step = max(60, int((until - since).total_seconds() / MOST // 60) * 60)
    found: dict[datetime, dict[str, float]] = {}
    for point in history.history(connection, "queue.length", queue, since, until, step, _PLACES):
        values = found.setdefault(point.at, {"open": 0.0})
        values["open"] += point.value
    for name, field, times in (("sla.breached", "late", 1), ("queue.throughput", "done_per_minute", 60)):
        for point in history.history(connection, name, queue, since, until, step, ("",)):
            found.setdefault(point.at, {})[field] = times * point.value
    return [Moment(at, **values) for at, values in sorted(found.items())]
