-- Remove the event logs of jobs, where they stand in these months.
with events as (
    delete from oms.job_events
    where job_id = any(%(jobs)s::bigint[])
        and at > %(since)s::timestamptz and at < %(until)s::timestamptz
    returning job_id
)
select count(*)::int as events from events
