-- How the deadlines of the office's day were met by what has ended on it, by queue.
select
    queue,
    count(*) filter (where today and kept = 'on time')::int as on_time,
    count(*) filter (where today and kept = 'late')::int as late,
    count(*) filter (where today and kept = 'failed')::int as failed,
    max(finished_at) filter (where status = 'done') as last_finished
from (
    select
        queue, status, finished_at, finished_at >= %(midnight)s::timestamptz as today,
        oms.kept(status, finished_at, sla, finished_at) as kept
    from oms.jobs
    where finished_at >= %(midnight)s::timestamptz - interval '1 day' and status <> 'cancelled'
        and part is null
) as job
group by queue
