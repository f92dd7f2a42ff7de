-- Pause a queue: nothing new starts. Its window goes back to the backlog, so that no ticket on its way is good.
with paused as (
    update oms.queues
    set paused_at = coalesce(paused_at, oms.now()), paused_by = %(who)s::text, pause_reason = %(reason)s::text
    where name = %(queue)s::text
    returning name
),
held as (
    select job.id
    from oms.jobs as job
    join paused on paused.name = job.queue
    where job.dispatched_at is not null and job.finished_at is null and job.status = 'queued'
    order by job.id
    for update of job
),
recalled as (
    update oms.jobs as job
    set status = 'waiting', attempt = job.attempt + 1, since = oms.now(), dispatched_at = null,
        band = 0, given_up_at = null, cell = oms.cell_at(job.cell, job.step)
    from held
    where job.id = held.id and job.status = 'queued'
    returning job.id, job.status, job.step, job.attempt
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select id, 'recalled', status, step, attempt, %(who)s::text, jsonb_build_object('reason', 'queue paused')
    from recalled
)
select (select count(*) from recalled)::int as recalled, exists (select from paused) as known
