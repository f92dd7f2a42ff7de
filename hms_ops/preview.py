"""What another SLA would mean for the jobs that are open now, told before anybody sets it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from hms_oms import health, presence, queues
from hms_ops import census, metrics
from hms_ops.census import Standing
from hms_ops.forecast import Arrival, Capacity, Change, arrival, change


@dataclass(frozen=True, slots=True)
class Preview:
    """How the `jobs` that are open in a queue fare under its SLA, and would under another one."""

    jobs: int
    change: Change


def sla(connection: Connection, queue: str, *, minutes: float, instead: float) -> Preview | None:
    """The load of now under an SLA of `instead` minutes in place of `minutes`.

    The open jobs are counted anew; how fast they are done is as the watch has it. None where it does not say.
    """
    now = health.clock(connection)
    capacity = _capacity(connection, queue, now)
    if capacity is None:
        return None
    line = census.standings(connection, now).get(queue, Standing()).histogram
    return Preview(
        sum(jobs for _, jobs in line), change(line, capacity, now, minutes=minutes, instead=instead)
    )


def more(connection: Connection, queue: str, *, jobs: int, deadline: datetime) -> Arrival | None:
    """How `jobs` more, accepted now and due at `deadline`, would fare; None if the pace is not known."""
    now = health.clock(connection)
    capacity = _capacity(connection, queue, now)
    if capacity is None:
        return None
    line = census.standings(connection, now).get(queue, Standing()).histogram
    paused = any(each.name == queue and each.paused_at for each in queues.overview(connection))
    return arrival(line, capacity, now, jobs=jobs, deadline=deadline, paused=paused)


def _capacity(connection: Connection, queue: str, now: datetime) -> Capacity | None:
    """What the live slots get done, at the pace that the watch has seen; None if it has seen none."""
    rate = next(
        (
            metric.value
            for metric in metrics.newest(connection, queue)
            if metric.name == "forecast.rate" and not metric.stale(now)
        ),
        None,
    )
    if rate is None:
        return None
    slots = sum(worker.slots for worker in presence.live(connection) if queue in worker.queues)
    return Capacity(slots, rate / slots if slots else 0.0)
