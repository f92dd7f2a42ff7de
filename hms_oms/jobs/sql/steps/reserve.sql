-- Lock the most urgent job whose step is an agent's: the same claim as a worker's, with a lease to extend.
with front as (
    select id
    from oms.jobs
    where queue = %(queue)s::text and agent
        and dispatched_at is null and finished_at is null and ready_at is null
        and not exists (
            select from oms.queues where name = %(queue)s::text and paused_at is not null
        )
    order by band, -priority, due, id
    limit 1
    for update skip locked
),
reserved as (
    update oms.jobs as job
    set status = 'running',
        worker = %(agent)s::text,
        -- Each reservation is an attempt of its own, so that a late report of an earlier one is refused.
        attempt = job.attempt + 1,
        since = oms.now(),
        dispatched_at = oms.now(),
        started_at = coalesce(job.started_at, oms.now()),
        lease_until = oms.now() + %(lease)s::float8 * interval '1 second'
    from front
    where job.id = front.id
    returning job.*
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who)
    select id, 'reserved', status, step, attempt, worker from reserved
)
select id, type, recipe_id, queue, step, steps, attempt, payload, results, sla, lease_until from reserved
