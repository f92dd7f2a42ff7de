-- Cancel jobs: what waits or stands in the window at once; what runs at its next step boundary, or now. The trigger
-- jobs_settled has a cancelled job give its key back.
with family as materialized (
    select id, root from oms.family(%(jobs)s::bigint[])
),
held as (
    select job.id, job.status, family.root
    from family
    join oms.jobs as job on job.id = family.id
    where job.status in ('waiting', 'queued', 'running')
    order by job.id
    for update of job
),
changed as (
    update oms.jobs as job
    set cancel_by = %(who)s::text,
        -- One that is to end already comes back with the job with which it was cancelled first.
        cancelled_with = case when job.cancel_by is null then held.root else coalesce(job.cancelled_with, held.root) end,
        status = case when held.status = 'running' and not %(now)s::boolean then 'running' else 'cancelled' end,
        -- A new attempt makes the ticket stale, and the report of a step that runs on come too late.
        attempt = case
            when held.status = 'waiting' or (held.status = 'running' and not %(now)s::boolean) then job.attempt
            else job.attempt + 1
        end,
        finished_at = case
            when held.status = 'running' and not %(now)s::boolean then null else oms.now()
        end,
        since = case when held.status = 'running' and not %(now)s::boolean then job.since else oms.now() end,
        lease_until = case
            when held.status = 'running' and not %(now)s::boolean then job.lease_until
        end
    from held
    where job.id = held.id
    returning job.id, job.status, job.step, job.attempt, held.status as found, job.steps, job.worker,
        job.id = any(%(jobs)s::bigint[]) as asked
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select
        id,
        case status when 'cancelled' then 'cancelled' else 'cancel asked' end,
        status, step, attempt, %(who)s::text,
        jsonb_build_object('reason', %(reason)s::text, 'found', found)
            || jsonb_strip_nulls(jsonb_build_object('undo', %(undo)s::bigint))
    from changed
    returning job_id, id
),
kept as (
    insert into oms.changed_jobs (change_id, job_id, event_id)
    select %(change)s::bigint, job_id, id from event_log
    where %(change)s::bigint is not null and job_id = any(%(jobs)s::bigint[])
)
select id, status, found, attempt, steps[step + 1] as step, asked from changed
