"""What another SLA would mean for the jobs that are open now, told before anybody sets it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from hms_oms import health, presence
from hms_ops import census, metrics
from hms_ops.census import Standing
from hms_ops.forecast import Capacity, Change, change


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
    line = census.standings(connection, now).get(queue, Standing()).histogram
    capacity = Capacity(slots, rate / slots if slots else 0.0)
    return Preview(
        sum(jobs for _, jobs in line), change(line, capacity, now, minutes=minutes, instead=instead)
    )
