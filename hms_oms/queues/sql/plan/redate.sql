-- Date open jobs of a queue by its policy, as much as one statement should: what was accepted before the policy changed.
with chosen as (
    select job.id, oms.due(queue.policy, job.created_at, job.sla, job.sla_minutes, job.must, estimate.upper) as due
    from oms.jobs as job
    join oms.queues as queue on queue.name = job.queue
    left join oms.work_estimates as estimate on estimate.cell = job.cell
    where job.queue = %(queue)s::text and job.finished_at is null and job.dispatched_at is null
        -- When it is dated does not hang on what has been measured since.
        and (job.due = job.created_at) <> (queue.policy = 'fifo')
    limit 2000
    for update of job skip locked
)
update oms.jobs as job
set due = chosen.due, band = 0, given_up_at = null
from chosen
where job.id = chosen.id
returning job.id
