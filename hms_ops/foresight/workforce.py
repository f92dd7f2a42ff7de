"""The workforce of queues: how many slots work, from when on, and how long a job holds one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.jobs import workers
from hms_oms.order.policy import Policy
from hms_ops.documents.reports import STALE_SECONDS
from hms_ops.forecast.forecast import start_of


@dataclass(frozen=True, slots=True)
class Workforce:
    """How a queue works: `slots` jobs at once, new ones from `begins_at` on, which is later if it is paused.

    A job of a kind of work that was not measured takes `mean` seconds of a slot (None: nobody knows). Under a
    limit of starts none costs a slot less than `spacing` seconds.
    """

    queue: str
    policy: Policy
    slots: int
    begins_at: datetime
    mean: float | None = None
    #: Those on hosts that are over a limit start nothing, and are none of them.
    workers: int = 0
    #: The slots of its workers, some of which a limit may keep from working.
    live_slots: int = 0
    #: The slots of a worker on average, wherever it is; one if there is no worker.
    slots_each: float = 1.0
    window: int | None = None
    starts_per_minute: int | None = None
    at_once: int | None = None

    @property
    def spacing(self) -> float:
        """The least time of a slot that a job costs, in seconds."""
        return 60 * self.slots / self.starts_per_minute if self.starts_per_minute else 0.0

    def limited(self, window: int | None, starts_per_minute: int | None, at_once: int | None) -> Workforce:
        """The same workers under these limits; without a window nothing comes to any of them."""
        slots = self.live_slots if at_once is None else min(self.live_slots, at_once)
        slots = 0 if window == 0 else slots
        return replace(self, slots=slots, window=window, starts_per_minute=starts_per_minute, at_once=at_once)


def of_queues(connection: Connection, now: datetime, queue: str | None = None) -> Mapping[str, Workforce]:
    """The workforce of each queue, or of one."""
    live = workers.live(connection)
    rows = connection.execute(text(_QUEUES), {"queue": queue, "now": now, "stale": STALE_SECONDS})
    workforces = {}
    for row in rows:
        serving = [worker for worker in live if row.name in worker.queues]
        slots = sum(worker.live_slots(row.name) for worker in serving)
        sizes = [size for worker in serving if (size := worker.slots - worker.slots_lost)]
        workforces[row.name] = Workforce(
            row.name,
            Policy(row.policy),
            slots,
            start_of(now, paused=row.paused_at is not None),
            1 / row.slot_rate if row.slot_rate else None,
            sum(worker.held_because is None for worker in serving),
            slots,
            sum(sizes) / len(sizes) if sizes else 1.0,
        ).limited(row.window_size, row.starts_per_minute, row.at_once)
    return workforces


_QUEUES = """
select
    queue.name, queue.policy, queue.paused_at, queue.starts_per_minute, queue.window_size, queue.at_once,
    rate.value as slot_rate
from oms.queues as queue
left join ops.metrics as rate
    on rate.name = 'forecast.slotRate' and rate.queue = queue.name
    and rate.at > cast(:now as timestamptz) - cast(:stale as float8) * interval '1 second'
where cast(:queue as text) is null or queue.name = :queue
"""
