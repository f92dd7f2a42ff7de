-- Take up the jobs whose event has been signalled, or has not come in time: their steps are completed, or failed, in the
-- same transaction. A signal is spent once; its row stays, so that the same event again is none.
with due as (
    select job.id, signal.data, signal.who, signal.job_id is not null as signalled
    from (
        select signal.job_id as id
        from oms.signals as signal
        join oms.jobs as job on job.id = signal.job_id and job.event = signal.event
        where signal.spent_at is null and job.finished_at is null and job.status = 'waiting'
        union
        (
            select id from oms.jobs
            where event is not null and event not in ('*parts', '*jobs') and finished_at is null and status = 'waiting'
                and ready_at <= oms.now()
            order by ready_at
            limit %(most)s::int
        )
        limit %(most)s::int
    ) as candidate
    join oms.jobs as job on job.id = candidate.id
    left join oms.signals as signal
        on signal.job_id = job.id and signal.event = job.event and signal.spent_at is null
    where job.event is not null and job.event not in ('*parts', '*jobs') and job.status = 'waiting'
        and (signal.job_id is not null or job.ready_at <= oms.now())
    order by job.id
    -- Anyone who holds the row is just changing it: it is seen the next time.
    for update of job skip locked
),
taken_up as (
    update oms.jobs as job
    set status = 'running',
        worker = coalesce(due.who, 'dispatcher'),
        since = oms.now(),
        dispatched_at = oms.now(),
        started_at = coalesce(job.started_at, oms.now()),
        ready_at = null
    from due
    where job.id = due.id
    returning job.id, job.attempt, job.step, job.steps, job.status, job.recipe_id, job.event, job.worker,
        due.data, due.signalled
),
spent as (
    update oms.signals as signal
    set spent_at = oms.now(), data = null
    from taken_up
    where signal.job_id = taken_up.id and signal.event = taken_up.event and taken_up.signalled
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select
        id, case when signalled then 'signalled' else 'timed out' end, status, step, attempt, worker,
        jsonb_build_object('event', event)
    from taken_up
)
select id as job, attempt, steps[step + 1] as step, recipe_id, event, data, signalled, worker as who from taken_up
