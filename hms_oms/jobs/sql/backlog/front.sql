-- The highest priority in the backlog that a job stands in: one more, and it is the next one.
select coalesce((
    select max(ahead.priority)
    from unnest(array[0, 1]) as each_band (number)
    cross join lateral (
        select priority
        from oms.jobs
        where queue = job.queue and agent = job.agent and band = each_band.number
            and dispatched_at is null and finished_at is null and ready_at is null
        order by -priority
        limit 1
    ) as ahead
), 0) as highest
from oms.jobs as job
where job.id = %(job)s::bigint
