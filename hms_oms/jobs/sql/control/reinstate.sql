-- Put cancelled jobs back at the step at which they stood, and let those go on that only were to end with their step.
-- The deadline stays. A job that a newer one with its key has replaced stays cancelled; if a newer one is just being
-- accepted, the unique index on keys ends this statement.
with family as materialized (
    select id from oms.family(%(jobs)s::bigint[])
),
held as (
    select job.id, job.status
    from oms.jobs as job
    where job.id in (select id from family)
        -- What was cancelled by itself before stays cancelled. (The release before has not kept with what.)
        and (
            job.id = any(%(jobs)s::bigint[])
            or coalesce(job.cancelled_with, 0) = any(array(
                select coalesce(cancelled_with, 0) from oms.jobs where id = any(%(jobs)s::bigint[])
            ))
        )
        and (job.status = 'cancelled' or (job.status = 'running' and job.cancel_by is not null))
        and not exists (
            select from oms.jobs as other
            where other.type = job.type and other.key = job.freed_key and other.key is not null
        )
        and not exists (
            select from oms.jobs as newer
            where newer.type = job.type and newer.freed_key = job.freed_key and newer.id > job.id
        )
    order by job.id
    for update of job
),
changed as (
    update oms.jobs as job
    set cancel_by = null,
        cancelled_with = null,
        status = case held.status when 'cancelled' then 'waiting' else job.status end,
        -- The new attempt keeps tickets of before the cancellation stale.
        attempt = case held.status when 'cancelled' then job.attempt + 1 else job.attempt end,
        ready_at = case
            -- Parts may have ended while nobody waited for them.
            when held.status = 'cancelled' and job.event = '*parts' then oms.now()
            when held.status = 'running' or job.ready_at > oms.now() then job.ready_at
            -- The time limit of the event that it waits for was over while it was cancelled.
            when job.event is not null then oms.now()
        end,
        worker = case held.status when 'running' then job.worker end,
        lease_until = case held.status when 'running' then job.lease_until end,
        since = case held.status when 'cancelled' then oms.now() else job.since end,
        dispatched_at = case held.status when 'running' then job.dispatched_at end,
        finished_at = null,
        band = 0,
        given_up_at = null,
        cell = oms.cell_at(job.cell, job.step),
        due = coalesce(job.due, job.sla)
    from held
    where job.id = held.id
    returning job.id, job.queue, job.status, job.step, job.attempt, held.status as found,
        job.id = any(%(jobs)s::bigint[]) as asked
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select
        id, case found when 'cancelled' then 'reinstated' else 'cancel withdrawn' end,
        status, step, attempt, %(who)s::text,
        jsonb_build_object('reason', %(reason)s::text)
            || jsonb_strip_nulls(jsonb_build_object('undo', %(undo)s::bigint))
    from changed
    returning job_id, id
),
kept as (
    insert into oms.changed_jobs (change_id, job_id, event_id)
    select %(change)s::bigint, job_id, id from event_log
    where %(change)s::bigint is not null and job_id = any(%(jobs)s::bigint[])
)
select id, status, asked, pg_notify('oms_backlog', queue) from changed
