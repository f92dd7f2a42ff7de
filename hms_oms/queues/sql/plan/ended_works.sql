-- The latest works of jobs that have ended since, oldest first: how long a worker has held a slot for a job, from each
-- of its steps on until it let go of it. Steps of agents hold no slot. Earlier months of the event log are not looked into.
with ended as (
    select id, queue, type, cell, finished_at
    from oms.jobs
    where finished_at > %(since)s::timestamptz
    order by finished_at desc
    limit %(most)s::int
)
select
    ended.queue,
    ended.type,
    line.step,
    oms.cell_at(ended.cell, line.step) as cell,
    extract(epoch from over.at - line.at)::float8 as seconds,
    ended.finished_at
from ended
join oms.job_events as line on line.job_id = ended.id
    and line.at > %(since)s::timestamptz - interval '31 days'
    and (line.fact = 'claimed' or (line.fact = 'advanced' and line.status = 'running'))
cross join lateral (
    select at
    from oms.job_events as later
    where later.job_id = line.job_id and later.id > line.id and later.attempt = line.attempt
        and later.at > %(since)s::timestamptz - interval '31 days'
        and (later.fact in ('finished', 'handed over', 'awaiting', 'sleeping') or (later.fact = 'advanced' and later.status = 'queued'))
    order by later.id
    limit 1
) as over
order by ended.finished_at, line.id
