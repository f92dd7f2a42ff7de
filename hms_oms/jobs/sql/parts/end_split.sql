-- Take up a job that the caller holds and whose parts, or child jobs, are over: its step is completed, or failed, in the same transaction.
with taken_up as (
    update oms.jobs as job
    set status = 'running',
        worker = 'dispatcher',
        since = oms.now(),
        dispatched_at = oms.now(),
        started_at = coalesce(job.started_at, oms.now()),
        ready_at = null
    where job.id = %(job)s::bigint and job.status = 'waiting' and job.event in ('*parts', '*jobs')
    returning job.id, job.attempt, job.step, job.status
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who)
    select id, %(fact)s::text, status, step, attempt, 'dispatcher' from taken_up
)
select id from taken_up
