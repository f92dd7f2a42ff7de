-- Give up what cannot be on time any more, if it were next: its deadline is sooner than such work takes mostly, or,
-- of jobs that must be on time, than it takes on average.
with chosen as (
    select job.id
    from oms.jobs as job
    left join unnest(%(cells)s::int[], %(means)s::float8[], %(uppers)s::float8[]) as estimate (cell, mean, upper)
        on estimate.cell = job.cell
    where job.queue = %(queue)s::text and not job.agent and job.band = 0 and -job.priority = 0
        and job.dispatched_at is null and job.finished_at is null and job.ready_at is null
        and job.due < to_timestamp(%(ahead)s::float8 + %(most)s::float8)
        and job.sla < to_timestamp(%(ahead)s::float8 + case
            when job.must then coalesce(estimate.mean, %(other_mean)s::float8)
            else coalesce(estimate.upper, %(other_upper)s::float8)
        end)
    order by job.due, job.id
    limit 2000
    for update of job skip locked
)
update oms.jobs as job
set band = 1, given_up_at = oms.now()
from chosen
where job.id = chosen.id
returning job.id
