-- Stop the clock of jobs until the applicant answers. What is in the window goes back first, under a new attempt, so
-- that the tickets on their way are stale. One that waits for an event has a time limit of its own,
-- and one that waits for its parts goes on with them.
with held as (
    select id
    from oms.jobs
    where id = any(%(jobs)s::bigint[]) and status in ('waiting', 'queued')
        and event is null and held_at is null and part is null
    order by id
    for update
),
changed as (
    update oms.jobs as job
    set status = 'waiting',
        attempt = case when job.status = 'queued' then job.attempt + 1 else job.attempt end,
        since = oms.now(),
        dispatched_at = null,
        band = 0,
        given_up_at = null,
        cell = oms.cell_at(job.cell, job.step),
        held_at = oms.now(),
        held_ready_at = nullif(job.ready_at, oms.held_back()),
        ready_at = oms.on_hold(),
        clock_from = coalesce(
            job.clock_from, greatest(job.created_at, job.sla - job.sla_minutes * interval '1 minute')
        )
    from held
    where job.id = held.id
    returning job.id, job.status, job.step, job.attempt
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select id, 'held', status, step, attempt, %(who)s::text,
        jsonb_strip_nulls(jsonb_build_object('reason', %(reason)s::text))
    from changed
)
select id from changed
