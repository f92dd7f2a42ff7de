-- How full the window of each open queue is, and which job is the front of its backlog. Where that was is given, as is
-- when the oldest job in flight was taken (`in_flight_from`): what is before them is not read.
with live as (
    select unnest(queues) as queue, slots - slots_lost as slots
    from oms.workers
    where beat_at > oms.now() - %(gone)s::float8 * interval '1 second'
),
slots as (
    select queue, sum(slots)::int as slots from live group by queue
),
in_flight as (
    select queue, count(*) filter (where status = 'queued') as queued, min(dispatched_at) as since
    from oms.jobs
    where dispatched_at >= coalesce(%(in_flight_from)s::timestamptz, '-infinity') and finished_at is null
    group by queue
),
place as (
    select * from unnest(
        %(queues)s::text[], %(ranks)s::int[], %(slas)s::timestamptz[], %(jobs)s::bigint[]
    ) as place (queue, rank, sla, job)
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
    coalesce(in_flight.queued, 0)::int as queued,
    front.rank,
    front.sla,
    front.job,
    -- Some time is left to those that are being taken by others.
    coalesce((select min(since) from in_flight), oms.now()) - interval '5 seconds' as in_flight_from
from oms.queues as queue
left join slots on slots.queue = queue.name
left join in_flight on in_flight.queue = queue.name
left join place on place.queue = queue.name
left join lateral (
    select -priority as rank, sla, id as job
    from oms.jobs
    where jobs.queue = queue.name and not agent
        and dispatched_at is null and finished_at is null and ready_at is null
        and (-priority, sla, id)
            >= (coalesce(place.rank, -2147483648), coalesce(place.sla, '-infinity'), coalesce(place.job, 0))
    order by -priority, sla, id
    limit 1
) as front on true
where queue.paused_at is null
