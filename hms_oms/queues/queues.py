"""Read queues: how many jobs are in each state, since when, and which workers serve them."""

from __future__ import annotations

from sqlalchemy import Connection, text

from hms_oms.documents.queues import QueueCounts
from hms_oms.jobs.states import OPEN_COUNTS
from hms_oms.jobs.workers import GONE_SECONDS


def overview(connection: Connection) -> list[QueueCounts]:
    """Every queue as it stands now, by name."""
    rows = connection.execute(text(_OVERVIEW), {"gone": GONE_SECONDS})
    return [QueueCounts(**row) for row in rows.mappings()]


_OVERVIEW = f"""
with live as (
    select queue, queue = any(queues) as serves, slots, slots_lost
    from oms.workers
    cross join unnest(queues || left_queues) as queue
    where beat_at > oms.now() - :gone * interval '1 second'
),
worker_slots as (
    select
        queue,
        count(*) filter (where serves) as workers,
        sum(slots) as slots,
        sum(slots_lost) as slots_lost
    from live
    group by queue
),
standing as (
    select
        queue,
        {OPEN_COUNTS},
        count(*) filter (where sla < oms.now() and part is null and held_at is null) as late,
        count(*) filter (where band = 1 and status = 'waiting' and ready_at is null) as given_up,
        min(since) filter (where status = 'waiting' and ready_at is null) as oldest_waiting,
        min(sla) filter (where held_at is null) as next_sla
    from oms.jobs
    where finished_at is null
    group by queue
),
sla as (
    select distinct on (queue) queue, minutes
    from oms.slas
    order by queue, id desc
)
select
    queue.name,
    coalesce(standing.waiting, 0) as waiting,
    coalesce(standing.delayed, 0) as delayed,
    coalesce(standing.queued, 0) as queued,
    coalesce(standing.running, 0) as running,
    coalesce(standing.held, 0) as held,
    coalesce(standing.late, 0) as late,
    coalesce(standing.given_up, 0) as given_up,
    standing.oldest_waiting,
    standing.next_sla,
    sla.minutes as sla_minutes,
    queue.paused_at,
    queue.paused_by,
    queue.pause_reason,
    coalesce(worker_slots.workers, 0) as workers,
    coalesce(worker_slots.slots, 0) as slots,
    coalesce(worker_slots.slots_lost, 0) as slots_lost
from oms.queues as queue
left join worker_slots on worker_slots.queue = queue.name
left join standing on standing.queue = queue.name
left join sla on sla.queue = queue.name
order by queue.name
"""  # noqa: S608 -- a constant of our own
