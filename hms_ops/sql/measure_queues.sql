-- What must be known at once of each queue, by the index of open deadlines: the earliest one, and how many
-- have passed (counted up to a limit). A queue's deadlines are looked at from the one on that is given.
with sla as (
    select distinct on (queue) queue, minutes
    from oms.slas
    order by queue, id desc
)
select
    queue.name,
    queue.paused_at,
    queue.paused_by,
    queue.starts_per_minute,
    queue.at_once,
    queue.starts_set_by,
    queue.starts_set_at,
    queue.window_size,
    queue.window_set_by,
    queue.window_set_at,
    -- Whether the limit's clock has moved lately: as long as nothing starts it saves up, up to a bound.
    queue.starts_per_minute is not null and queue.starts_from
        > %(now)s::timestamptz - greatest(60.0 / queue.starts_per_minute, 1.0) * interval '1 second'
        as starts_used,
    sla.minutes as sla_minutes,
    plan.given_up_since,
    first.sla as next_sla,
    passed.late
from oms.queues as queue
left join sla on sla.queue = queue.name
left join oms.backlog_plans as plan on plan.queue = queue.name
left join unnest(%(queues)s::text[], %(deadlines)s::timestamptz[]) as known (queue, deadline)
    on known.queue = queue.name
left join lateral (
    select job.sla
    from oms.jobs as job
    where job.queue = queue.name and job.finished_at is null and job.part is null and job.held_at is null
        and job.sla >= coalesce(known.deadline, '-infinity')
    order by job.sla
    limit 1
) as first on true
cross join lateral (
    select count(*)::int as late
    from (
        select
        from oms.jobs as job
        where job.queue = queue.name and job.finished_at is null and job.part is null and job.held_at is null
            and job.sla < %(now)s::timestamptz and job.sla >= first.sla
        limit %(most)s::int
    ) as job
) as passed
order by queue.name
