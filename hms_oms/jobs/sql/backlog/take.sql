-- Take the front of a queue's backlog into the window: what is kept before what was given up, in each priority first,
-- then what is due first. What is before the place that is given is not read.
with front as (
    select id
    from oms.jobs
    where queue = %(queue)s::text and not agent
        and dispatched_at is null and finished_at is null and ready_at is null
        and (band, -priority, due, id) >= (
            coalesce(%(band)s::smallint, 0), coalesce(%(rank)s::int, -2147483648),
            coalesce(%(due)s::timestamptz, '-infinity'), coalesce(%(job)s::bigint, 0)
        )
    order by band, -priority, due, id
    limit %(count)s::int
    -- A row that somebody else holds is being changed: leave it to the next turn rather than wait.
    for update skip locked
),
taken as (
    update oms.jobs as job
    set status = 'queued', dispatched_at = oms.now(), since = oms.now()
    from front
    where job.id = front.id
    returning job.id, job.attempt, job.step, job.status, job.steps, job.recipe_id, job.cell,
        job.band, job.priority, job.due
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt)
    select id, 'dispatched', status, step, attempt from taken
)
select id, attempt, step, steps, recipe_id, cell, band, priority, due
from taken
order by band, -priority, due, id
