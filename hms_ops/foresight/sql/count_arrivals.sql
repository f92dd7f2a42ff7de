-- Count what has come since the last count, by queue, quarter of an hour, and how long after that it was due. A job is
-- seen when its transaction is over, and carries the moment at which that began: so the count stays behind.
with counted as (
    select until, job_id from ops.arrivals_counted for update
),
come as (
    select job.queue, date_bin('15 minutes', job.created_at, '2000-01-01 00:00+00') as since,
        60 * round(date_part('epoch', job.sla - job.created_at) / 60) as sla, count(*)::int as jobs
    from oms.jobs as job, counted
    where job.id > counted.job_id and job.part is null and job.sla > job.created_at
        and job.created_at >= counted.until and job.created_at < %(until)s::timestamptz
    group by 1, 2, 3
),
noted as (
    insert into ops.arrivals as arrivals (queue, since, sla, jobs)
    select queue, since, sla, jobs from come
    on conflict (queue, since, sla) do update set jobs = arrivals.jobs + excluded.jobs
)
update ops.arrivals_counted as arrivals_counted
set until = %(until)s::timestamptz,
    -- Ids are taken a little before or after they are in their order of time: the next count begins before this one.
    job_id = greatest(counted.job_id, coalesce((
        select max(job.id) from oms.jobs as job
        where job.id > counted.job_id and job.created_at < counted.until
    ), 0))
from counted
where %(until)s::timestamptz > counted.until
