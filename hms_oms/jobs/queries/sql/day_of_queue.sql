-- Jobs of a queue that were accepted in a day and have been done, with how long workers held slots for them. Earlier
-- months of the event log are not looked into.
select
    job.id,
    job.type,
    job.cell,
    job.must,
    extract(epoch from job.created_at)::float8 as arrival,
    extract(epoch from job.sla)::float8 as deadline,
    work.seconds
from oms.jobs as job
cross join lateral (
    select sum(extract(epoch from over.at - line.at))::float8 as seconds
    from oms.job_events as line
    cross join lateral (
        select at
        from oms.job_events as later
        where later.job_id = line.job_id and later.id > line.id and later.attempt = line.attempt
            and later.at > %(since)s::timestamptz - interval '31 days'
            and (later.fact in ('finished', 'handed over', 'advanced'))
        order by later.id
        limit 1
    ) as over
    where line.job_id = job.id
        and line.at > %(since)s::timestamptz - interval '31 days'
        and (line.fact = 'claimed' or (line.fact = 'advanced' and line.status = 'running'))
) as work
where job.queue = %(queue)s::text
    and job.created_at >= %(since)s::timestamptz and job.created_at < %(until)s::timestamptz
    and job.status <> 'cancelled'
order by job.created_at, job.id
