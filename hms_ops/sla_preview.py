"""Preview another SLA: what it would mean for the open jobs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.database import health
from hms_oms.jobs import workers
from hms_oms.order.policy import Policy
from hms_oms.queues import calendars
from hms_ops.forecast.capacity import Capacity, most
from hms_ops.forecast.forecast import Arrival, Change, Histogram, arrival, change
from hms_ops.metrics import counts, metrics
from hms_ops.metrics.counts import Standing


@dataclass(frozen=True, slots=True)
class Load:
    """Open jobs of a queue by deadline, and the capacity within its limits."""

    line: Histogram
    capacity: Capacity
    paused: bool
    by_acceptance: bool = False

    @property
    def jobs(self) -> int:
        """The open jobs."""
        return sum(jobs for _, jobs in self.line)


@dataclass(frozen=True, slots=True)
class Preview:
    """Forecast of the open `jobs` of a queue under its SLA and under another one."""

    jobs: int
    change: Change


def load(connection: Connection, queue: str, now: datetime) -> Load | None:
    """The open jobs of a queue, counted now, and its capacity: the rate of a slot is as the watch has it.

    None if the watch has not measured it lately.
    """
    throughput = next(
        (
            metric.value
            for metric in metrics.newest(connection, queue)
            if metric.name == "forecast.slotRate" and not metric.stale(now)
        ),
        None,
    )
    if throughput is None:
        return None
    slots = sum(worker.live_slots(queue) for worker in workers.live(connection))
    row = connection.execute(
        text("select paused_at, starts_per_minute, window_size, policy from oms.queues where name = :queue"),
        {"queue": queue},
    ).one()
    standing = counts.standings(connection, now).get(queue, Standing())
    allowed = most(row.starts_per_minute, row.window_size)
    capacity = Capacity(slots, throughput).limited(allowed, standing.running + standing.queued)
    return Load(standing.histogram, capacity, row.paused_at is not None, row.policy == Policy.FIFO)


def sla(connection: Connection, queue: str, *, minutes: float, instead: float) -> Preview | None:
    """The load of now under an SLA of `instead` minutes in place of `minutes`."""
    now = health.clock(connection)
    load_now = load(connection, queue, now)
    if load_now is None:
        return None
    changed = change(
        load_now.line,
        load_now.capacity,
        now,
        minutes=minutes,
        instead=instead,
        office=calendars.in_force(connection, queue).office,
        paused=load_now.paused,
    )
    return Preview(load_now.jobs, changed)


def more(connection: Connection, queue: str, *, jobs: int, deadline: datetime) -> Arrival | None:
    """Forecast `jobs` more, accepted now and due at `deadline`; None if the throughput is not known."""
    now = health.clock(connection)
    load_now = load(connection, queue, now)
    if load_now is None:
        return None
    return arrival(
        load_now.line,
        load_now.capacity,
        now,
        jobs=jobs,
        deadline=deadline,
        paused=load_now.paused,
        last=load_now.by_acceptance,
    )
