-- Whether a month of the event log has lines of a job that is open, that something needs, or whose cycle goes on.
with running as (
    select batch_id from oms.jobs where finished_at is null and batch_id is not null
    union
    select id from oms.batches where closed_at is null and created_at > oms.now() - interval '7 days'
),
needed as (
    select job_id from oms.needed_jobs
    union all
    select id from oms.jobs where finished_at is null
    union all
    select job.id from running join oms.jobs as job on job.batch_id = running.batch_id
)
select exists (
    select from needed
    join oms.job_events as line on line.job_id = needed.job_id
    where needed.job_id between %(first)s::bigint and %(last)s::bigint
        and line.at >= %(starts_at)s::timestamptz and line.at < %(ends_at)s::timestamptz
) as is_needed
