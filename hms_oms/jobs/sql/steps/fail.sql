-- A step has failed: back to the backlog under a new attempt, or, with its attempts used up, failed for good.
with asked as (
    select
        %(job)s::bigint as job, %(attempt)s::int as attempt, %(step)s::text as step,
        %(error)s::text::jsonb as error, %(retry_after)s::float8 as retry_after
),
failed as (
    update oms.jobs as job
    set status = case
            when job.cancel_by is not null then 'cancelled'
            when asked.retry_after is null then 'failed'
            else 'waiting'
        end,
        attempt = job.attempt + 1,
        failures = job.failures + 1,
        error = asked.error,
        ready_at = oms.now() + nullif(asked.retry_after, 0) * interval '1 second',
        worker = null,
        lease_until = null,
        since = oms.now(),
        band = 0,
        given_up_at = null,
        cell = oms.cell_at(job.cell, job.step),
        dispatched_at = case
            when asked.retry_after is null or job.cancel_by is not null then job.dispatched_at
        end,
        finished_at = case when asked.retry_after is null or job.cancel_by is not null then oms.now() end
    from asked
    where job.id = asked.job
        and job.attempt = asked.attempt
        and job.steps[job.step + 1] = asked.step
        and job.status = 'running'
    returning job.id, job.queue, job.status, job.step, job.attempt, job.error, job.cancel_by
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select
        id,
        case status when 'waiting' then 'retrying' else status end,
        status, step, attempt, coalesce(%(worker)s::text, cancel_by),
        jsonb_build_object('error', error ->> 'type', 'retryAfter', %(retry_after)s::float8)
    from failed
)
select id, status, pg_notify('oms_backlog', queue) from failed
