-- Have failed jobs tried again, from the step that failed, with all its attempts again. Of a step in parts those are
-- tried again that have failed, or were cancelled because others had; to ask for a part is to ask for its job. Of a step
-- that waits for jobs those are asked for again that could not be started.
with asked as (
    select id, step, event from oms.jobs
    where id in (
            select case when part is null then id else parent_id end
            from oms.jobs where id = any(%(jobs)s::bigint[])
        )
        and status = 'failed' and part is null
    order by id
    for update
),
parts as (
    select job.id, job.status
    from asked
    join oms.jobs as job on job.parent_id = asked.id and job.part is not null and job.step = asked.step
    where job.status in ('failed', 'cancelled') or (job.status = 'running' and job.cancel_by is not null)
    order by job.id
    for update of job
),
held as (
    select id from asked union all select id from parts where status <> 'running'
),
changed as (
    update oms.jobs as job
    set status = 'waiting', attempt = job.attempt + 1, failures = 0, losses = 0, suspicions = 0,
        lost_with = '{}',
        cancel_by = null, cancelled_with = null,
        ready_at = case
            -- Its parts, or the jobs that it has started, are looked at.
            when job.event in ('*parts', '*jobs') then oms.now()
            -- It waits for its event again, as long as before.
            when job.event is not null then oms.now() + make_interval(secs => (
                select (recipe.definition #>> array['steps', job.step::text, 'wait'])::float8
                from oms.recipes as recipe where recipe.id = job.recipe_id
            ))
        end,
        since = oms.now(), dispatched_at = null, finished_at = null,
        band = 0, given_up_at = null, cell = oms.cell_at(job.cell, job.step), due = coalesce(job.due, job.sla)
    from held
    where job.id = held.id
    returning job.id, job.queue, job.status, job.step, job.attempt,
        job.part is null as asked
),
-- Those that run, and were to end because others had failed, go on.
going_on as (
    update oms.jobs as job
    set cancel_by = null, cancelled_with = null
    from parts
    where job.id = parts.id and parts.status = 'running'
    returning job.id, job.status, job.step, job.attempt
),
asked_again as (
    update oms.child_jobs as child
    set fault = null, asked_at = oms.now()
    from asked
    where asked.event = '*jobs' and child.fault is not null and child.payload is not null
        and child.parent_id in (
            select asked.id
            union all
            select part.id from oms.jobs as part where part.parent_id = asked.id and part.part is not null
        )
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select id, 'revived', status, step, attempt, %(who)s::text, jsonb_build_object('reason', %(reason)s::text)
    from changed
    union all
    select id, 'cancel withdrawn', status, step, attempt, %(who)s::text, jsonb_build_object('reason', %(reason)s::text)
    from going_on
)
select id, status, asked, pg_notify('oms_backlog', queue) from changed
