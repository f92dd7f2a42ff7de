-- Claim steps for a worker. A ticket that is lost, doubled, late or forged meets no row, and does nothing.
with asked as (
    select * from unnest(
        %(jobs)s::bigint[], %(attempts)s::int[], %(steps)s::text[], %(leases)s::float8[], %(alone)s::boolean[]
    ) as ticket (job, attempt, step, lease, alone)
),
claimed as (
    update oms.jobs as job
    set status = 'running',
        worker = %(worker)s::text,
        since = oms.now(),
        started_at = coalesce(job.started_at, oms.now()),
        lease_until = oms.now() + asked.lease * interval '1 second'
    from asked
    where job.id = asked.job
        and job.attempt = asked.attempt
        and job.steps[job.step + 1] = asked.step
        and job.status = 'queued'
        and job.cancel_by is null
        -- A step that may have ended a worker runs with no other beside it.
        and (asked.alone or job.suspicions = 0)
        -- A worker that is not heard would be judged lost with what it claims.
        and (%(heartbeat_within)s::float8 is null or exists (
            select from oms.workers as worker
            where worker.id = %(worker)s::text
                and worker.beat_at > oms.now() - make_interval(secs => %(heartbeat_within)s::float8)
        ))
        and not exists (
            select from oms.queues as queue where queue.name = job.queue and queue.paused_at is not null
        )
    returning job.*
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who)
    select id, 'claimed', status, step, attempt, worker from claimed
)
-- A part works on what its job has.
select
    claimed.id, claimed.type, claimed.recipe_id, claimed.step, claimed.steps, claimed.attempt, claimed.failures,
    coalesce(parent.payload, claimed.payload) as payload,
    coalesce(parent.results, claimed.results) as results,
    claimed.part,
    oms.now() as now
from claimed
left join oms.jobs as parent on parent.id = claimed.parent_id and claimed.part is not null
