-- Remove the event logs of jobs that have ended.
with removable as (
    select job.id
    from oms.jobs as job
    where job.id = any(%(jobs)s::bigint[])
        and job.finished_at < %(before)s::timestamptz
        and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
    order by job.id
    for update of job skip locked
),
events as (
    delete from oms.job_events where job_id in (select id from removable) returning job_id
)
select count(*)::int as events from events
