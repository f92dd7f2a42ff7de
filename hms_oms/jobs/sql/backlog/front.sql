-- The highest priority in the backlog that a job stands in: one more, and it is the next one.
select coalesce((
    select ahead.priority
    from oms.jobs as ahead
    where ahead.queue = job.queue and ahead.agent = job.agent
        and ahead.dispatched_at is null and ahead.finished_at is null and ahead.ready_at is null
    order by -ahead.priority
    limit 1
), 0) as highest
from oms.jobs as job
where job.id = %(job)s::bigint
