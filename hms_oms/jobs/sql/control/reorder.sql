-- Change where jobs stand: priority, queue or earliest start. What is in the window goes back first, under a
-- new attempt, so that the tickets on their way are stale and the new order holds for all.
with held as (
    select id, priority, queue, ready_at
    from oms.jobs
    where id in (
            select unnest(%(jobs)s::bigint[])
            union
            -- What happens to a job happens to its parts; moved are those that wait where it does.
            select part.id
            from oms.jobs as parent
            join oms.jobs as part on part.parent_id = parent.id and part.part is not null
            where parent.id = any(%(jobs)s::bigint[])
                and (%(queue)s::text is null or part.queue = parent.queue) and %(fact)s::text <> 'delayed'
        )
        and status in ('waiting', 'queued')
        -- What waits for an event or an answer has no start to be delayed.
        and ((event is null and held_at is null) or %(fact)s::text <> 'delayed')
    order by id
    for update
),
changed as (
    update oms.jobs as job
    set status = 'waiting',
        attempt = case when job.status = 'queued' then job.attempt + 1 else job.attempt end,
        since = case when job.status = 'queued' then oms.now() else job.since end,
        dispatched_at = null,
        -- It is kept again, until the next plan judges it.
        band = 0,
        given_up_at = null,
        cell = oms.cell_at(job.cell, job.step),
        priority = coalesce(%(priority)s::int, job.priority),
        queue = coalesce(%(queue)s::text, job.queue),
        ready_at = case when %(fact)s::text = 'delayed' then %(ready_at)s::timestamptz else job.ready_at end
    from held
    where job.id = held.id
    returning job.id, job.queue, job.status, job.step, job.attempt, job.priority, job.ready_at,
        job.id = any(%(jobs)s::bigint[]) as asked
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select
        id, %(fact)s::text, status, step, attempt, %(who)s::text,
        jsonb_strip_nulls(jsonb_build_object(
            'reason', %(reason)s::text, 'priority', %(priority)s::int, 'queue', %(queue)s::text,
            'readyAt', %(ready_at)s::timestamptz
        ))
    from changed
    returning job_id, id
),
kept as (
    insert into oms.changed_jobs (change_id, job_id, event_id, priority, queue, ready_at)
    select %(change)s::bigint, held.id, event_log.id, held.priority, held.queue, held.ready_at
    from held
    join event_log on event_log.job_id = held.id
    where %(change)s::bigint is not null and held.id = any(%(jobs)s::bigint[])
)
select id, status, asked, pg_notify('oms_backlog', queue) from changed
