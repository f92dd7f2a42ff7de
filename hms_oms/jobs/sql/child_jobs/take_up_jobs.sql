-- Hold the jobs that wait for jobs which they have started, all of which have ended.
select job.id as job, job.attempt, job.step, job.steps[job.step + 1] as step_name, job.recipe_id
from oms.jobs as job
where job.event = '*jobs' and job.finished_at is null and job.status = 'waiting' and job.ready_at is not null
    and not exists (
        select from oms.child_jobs as asked
        left join oms.jobs as child on child.id = asked.job_id
        where asked.fault is null
            and (asked.job_id is null or (child.id is not null and child.finished_at is null))
            and asked.parent_id in (
                select job.id
                union all
                select part.id from oms.jobs as part where part.parent_id = job.id and part.part is not null
            )
    )
order by job.ready_at
limit %(most)s::int
-- Anyone who holds the row is just changing it: it is seen the next time.
for update of job skip locked
