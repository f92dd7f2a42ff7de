-- How full the window of each open queue is, and whether its backlog has more.
with live as (
    select unnest(queues) as queue, slots - slots_lost as slots
    from oms.workers
    where beat_at > oms.now() - %(gone)s::float8 * interval '1 second'
),
slots as (
    select queue, sum(slots)::int as slots from live group by queue
)
select
    queue.name as queue,
    coalesce(slots.slots, 0) as slots,
    queue.window_size,
    -- How many may start now under the limit per minute: time that has passed, in starts, saved up for a second
    -- at most and at least one (a generic cell rate algorithm; `starts_from` is its clock).
    case
        when queue.starts_per_minute is null then null
        else floor(extract(epoch from
            oms.now() - greatest(
                queue.starts_from,
                oms.now() - greatest(60.0 / queue.starts_per_minute, 1.0) * interval '1 second'
            )
        ) * queue.starts_per_minute / 60.0)::int
    end as starts_allowed,
    (
        select count(*) from oms.jobs
        where jobs.queue = queue.name and dispatched_at is not null and finished_at is null and status = 'queued'
    )::int as queued,
    -- Asked in order: for EXISTS the planner would look for any waiting row from the start of the table, behind
    -- all the ended ones.
    coalesce(
        (
            select true
            from oms.jobs
            where jobs.queue = queue.name and not agent
                and dispatched_at is null and finished_at is null and ready_at is null
            order by -priority, sla, id
            limit 1
        ),
        false
    ) as backlog
from oms.queues as queue
left join slots on slots.queue = queue.name
where queue.paused_at is null
