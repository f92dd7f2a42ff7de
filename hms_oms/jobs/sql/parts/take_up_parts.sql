-- Lock the jobs of whose parts something may be decided: they have come to a step in parts, or one of their parts has
-- ended. What somebody else holds is just being changed: it is seen the next time.
with candidate as (
    (
        select id from oms.jobs
        where event = '*parts' and finished_at is null and status = 'waiting' and ready_at <= oms.now()
        order by ready_at
        limit %(most)s::int
    )
    union
    (select distinct parent_id from oms.ended_parts order by parent_id limit %(most)s::int)
)
select
    job.id as job, job.attempt, job.step, job.steps[job.step + 1] as step_name, job.recipe_id,
    job.status = 'waiting' and job.event is not distinct from '*parts' and job.ready_at is not null as waits
from candidate
join oms.jobs as job on job.id = candidate.id
order by job.id
for update of job skip locked
