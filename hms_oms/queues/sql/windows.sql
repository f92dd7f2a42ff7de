-- How full the window of each open queue is, and which jobs are the fronts of its backlog: of what is kept, and of what
-- was given up. Where they were is given, as is when the oldest job in flight was taken (`in_flight_from`): what is before them is not read.
with live as (
    select unnest(queues) as queue, slots - slots_lost as slots
    from oms.workers
    -- On a host that is over a limit nothing more is started.
    where held_because is null and beat_at > oms.now() - %(gone)s::float8 * interval '1 second'
),
slots as (
    select queue, sum(slots)::int as slots from live group by queue
),
in_flight as (
    select queue, count(*) filter (where status = 'queued') as queued, count(*) as jobs, min(dispatched_at) as since
    from oms.jobs
    -- Of a later time it was found before the clock was set back.
    where dispatched_at >= least(coalesce(%(in_flight_from)s::timestamptz, '-infinity'), oms.now() - interval '5 seconds')
        and finished_at is null
    group by queue
),
place as (
    select * from unnest(
        %(queues)s::text[], %(bands)s::smallint[], %(ranks)s::int[], %(dues)s::timestamptz[], %(jobs)s::bigint[]
    ) as place (queue, band, rank, due, job)
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
                -- It is ahead if the clock was set back, and says nothing then.
                case when queue.starts_from <= oms.now() then queue.starts_from end,
                oms.now() - greatest(60.0 / queue.starts_per_minute, 1.0) * interval '1 second'
            )
        ) * queue.starts_per_minute / 60.0)::int
    end as starts_allowed,
    coalesce(in_flight.queued, 0)::int as queued,
    queue.at_once - coalesce(in_flight.jobs, 0)::int as free_at_once,
    kept.rank as kept_rank,
    kept.due as kept_due,
    kept.job as kept_job,
    given_up.rank as given_up_rank,
    given_up.due as given_up_due,
    given_up.job as given_up_job,
    given_up.cell as given_up_cell,
    queue.policy,
    queue.starts_per_minute,
    extract(epoch from oms.now())::float8 as now,
    -- Some time is left to those that are being taken by others.
    coalesce((select min(since) from in_flight), oms.now()) - interval '5 seconds' as in_flight_from
from oms.queues as queue
left join slots on slots.queue = queue.name
left join in_flight on in_flight.queue = queue.name
left join place as kept_from on kept_from.queue = queue.name and kept_from.band = 0
left join place as given_up_from on given_up_from.queue = queue.name and given_up_from.band = 1
left join lateral (
    select -priority as rank, due, id as job
    from oms.jobs
    where jobs.queue = queue.name and not agent and band = 0
        and dispatched_at is null and finished_at is null and ready_at is null
        and (-priority, due, id) >= (
            coalesce(kept_from.rank, -2147483648), coalesce(kept_from.due, '-infinity'), coalesce(kept_from.job, 0)
        )
    order by -priority, due, id
    limit 1
) as kept on true
left join lateral (
    select -priority as rank, due, id as job, cell
    from oms.jobs
    where jobs.queue = queue.name and not agent and band = 1
        and dispatched_at is null and finished_at is null and ready_at is null
        and (-priority, due, id) >= (
            coalesce(given_up_from.rank, -2147483648), coalesce(given_up_from.due, '-infinity'),
            coalesce(given_up_from.job, 0)
        )
    order by -priority, due, id
    limit 1
) as given_up on true
where queue.paused_at is null
