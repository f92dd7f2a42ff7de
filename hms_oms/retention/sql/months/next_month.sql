-- The oldest month of the event log that is over its time, with the first and the last of its jobs.
select month.name, month.starts_at::text, month.ends_at, jobs.first, jobs.last
from (
    select name, starts_at, ends_at
    from oms.event_months
    where ends_at <= %(before)s::timestamptz and name <> all (%(but)s::text[])
    order by ends_at
    limit 1
) as month
cross join lateral (
    select coalesce(min(job_id), 0) as first, coalesce(max(job_id), -1) as last
    from oms.job_events
    where at >= month.starts_at and at < month.ends_at
) as jobs
