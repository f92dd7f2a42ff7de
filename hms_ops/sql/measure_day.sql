-- How the promises of the day were kept by what has ended, by queue; cancelled jobs do not count.
select
    queue,
    count(*) filter (where finished_at >= %(midnight)s::timestamptz)::int as ended,
    count(*) filter (
        where finished_at >= %(midnight)s::timestamptz and status = 'done' and finished_at <= sla
    )::int as on_time,
    max(finished_at) filter (where status = 'done') as last_finished
from oms.jobs
where finished_at >= %(midnight)s::timestamptz - interval '1 day' and status <> 'cancelled'
group by queue
