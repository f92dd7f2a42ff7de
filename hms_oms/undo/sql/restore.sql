-- Give jobs the priority, the queue or the earliest start back that they had before a change. As with every change
-- of the order, what is in the window goes back first, under a new attempt. A job that was moved or delayed and has gone
-- on to another step since stays as it is, and so does a delayed one that waits for something else than its time now.
with held as (
    select job.id, kept.priority, kept.queue, kept.ready_at
    from oms.changed_jobs as kept
    -- A job with its parts; those that were moved with it stand in its queue, and none was delayed with it.
    join oms.jobs as parent on parent.id = kept.job_id
    join oms.jobs as job on job.id in (
        select parent.id
        union
        select part.id from oms.jobs as part
        where part.parent_id = parent.id and part.part is not null
            and (%(fact)s::text <> 'moved' or part.queue = parent.queue) and %(fact)s::text <> 'delayed'
    )
    join oms.job_events as line on line.job_id = kept.job_id and line.id = kept.event_id
    where kept.change_id = %(change)s::bigint and parent.id = any(%(jobs)s::bigint[])
        and job.status in ('waiting', 'queued')
        and (job.step = line.step or %(fact)s::text not in ('moved', 'delayed'))
        and ((job.event is null and job.held_at is null) or %(fact)s::text <> 'delayed')
    order by job.id
    for update of job
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
        priority = case %(fact)s::text when 'reprioritized' then held.priority else job.priority end,
        queue = case %(fact)s::text when 'moved' then held.queue else job.queue end,
        ready_at = case %(fact)s::text when 'delayed' then held.ready_at else job.ready_at end
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
            'undo', %(change)s::bigint,
            'priority', case %(fact)s::text when 'reprioritized' then priority end,
            'queue', case %(fact)s::text when 'moved' then queue end,
            'readyAt', case %(fact)s::text when 'delayed' then ready_at end
        ))
    from changed
)
select id, status, asked, pg_notify('oms_backlog', queue) from changed
