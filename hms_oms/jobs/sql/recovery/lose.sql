-- Take back jobs whose message or worker is gone: the same step again, under a new attempt.
-- `blame` says whether the step may be the cause: 'step' it is, 'worker' it may be any that the worker ran,
-- 'none' it is not.
with asked as (
    select * from unnest(
        %(jobs)s::bigint[], %(attempts)s::int[], %(steps)s::text[]
    ) as ticket (job, attempt, step)
),
held as (
    select job.id, job.status, job.agent, job.worker, job.steps[job.step + 1] as step_name
    from oms.jobs as job
    join asked on job.id = asked.job and job.attempt = asked.attempt and job.steps[job.step + 1] = asked.step
    where job.status in ('queued', 'running')
    order by job.id
    -- Anyone who holds the row is just reporting it: then it is not lost, and the next sweep will see.
    for update of job skip locked
),
judged as (
    select
        held.*,
        %(blame)s::text = 'worker' and not alone as suspected,
        %(blame)s::text = 'step'
            or (
                %(blame)s::text = 'worker'
                -- A step that was lost among others this often is not given the benefit of the doubt.
                and (alone or job.suspicions + 1 >= %(most_suspicions)s::int)
                and not held.worker = any(job.lost_with)
            ) as charged
    from held
    join oms.jobs as job on job.id = held.id
    cross join lateral (
        select not exists (
            select from oms.jobs as other
            where other.dispatched_at is not null and other.finished_at is null
                and other.status = 'running' and other.worker = held.worker and other.id <> held.id
        ) as alone
    ) as neighbours
    where held.status = 'running' and not held.agent
),
taken_back as (
    update oms.jobs as job
    set status = case
            when job.cancel_by is not null then 'cancelled'
            when judged.charged and job.losses + 1 >= %(poison)s::int then 'failed'
            else 'waiting'
        end,
        attempt = job.attempt + 1,
        losses = job.losses + coalesce(judged.charged, false)::int,
        suspicions = job.suspicions + coalesce(judged.suspected, false)::int,
        lost_with = case when judged.charged then job.lost_with || held.worker else job.lost_with end,
        error = case
            when judged.charged and job.losses + 1 >= %(poison)s::int
            then jsonb_build_object(
                'type', 'WorkerLost',
                'message', format('%%s workers were lost in step %%s', job.losses + 1, held.step_name)
            )
            else job.error
        end,
        worker = null,
        lease_until = null,
        since = oms.now(),
        dispatched_at = null,
        band = 0,
        given_up_at = null,
        cell = oms.cell_at(job.cell, job.step),
        finished_at = case
            when job.cancel_by is not null or (judged.charged and job.losses + 1 >= %(poison)s::int)
            then oms.now()
        end
    from held
    left join judged on judged.id = held.id
    where job.id = held.id
    returning job.id, job.queue, job.status, job.step, job.attempt, held.status as found
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select
        id,
        case status when 'waiting' then 'lost' when 'failed' then 'poisoned' else status end,
        status, step, attempt, 'recovery',
        jsonb_build_object('found', found, 'reason', %(reason)s::text)
    from taken_back
)
select id, status, pg_notify('oms_backlog', queue) from taken_back
