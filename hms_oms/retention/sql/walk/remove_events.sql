-- Remove the event logs of jobs.
with events as (
    delete from oms.job_events where job_id = any(%(jobs)s::bigint[]) returning job_id
)
select count(*)::int as events from events
