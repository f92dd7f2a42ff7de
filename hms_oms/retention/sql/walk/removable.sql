-- Those of some jobs from which something may be removed: they ended before a time, and nothing needs them. They are
-- held until the transaction ends; what somebody else holds is left to the next walk.
select job.id, job.created_at, job.finished_at
from oms.jobs as job
where job.id = any(%(jobs)s::bigint[])
    and job.finished_at < %(before)s::timestamptz
    and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
order by job.id
for update of job skip locked
