-- Complete steps. Only the attempt that runs the step may, so each step has one recorded result.
-- A step with effects reports in the transaction that began with the first of them, and `oms.now()` is when that
-- was: the step ends now.
with moment as (
    select oms.now() + (clock_timestamp() - now()) as now
),
asked as (
    select * from unnest(
        %(jobs)s::bigint[], %(attempts)s::int[], %(steps)s::text[], %(results)s::text[], %(outcomes)s::text[],
        %(next_steps)s::smallint[], %(next_queues)s::text[], %(next_agents)s::boolean[], %(hand_overs)s::boolean[]
    ) as report (job, attempt, step, result, outcome, next_step, next_queue, next_agent, hand_over)
),
completed as (
    update oms.jobs as job
    set status = case
            when job.cancel_by is not null and asked.next_step is not null then 'cancelled'
            when asked.next_step is null then 'done'
            -- Between workers the next message follows at once; to or from an agent the job waits its turn.
            when asked.hand_over or exists (
                select from oms.queues as queue where queue.name = asked.next_queue and queue.paused_at is not null
            ) then 'waiting'
            else 'queued'
        end,
        results = job.results || jsonb_build_object(asked.step, asked.result::jsonb),
        outcome = coalesce(asked.outcome, job.outcome),
        step = coalesce(asked.next_step, job.step),
        queue = coalesce(asked.next_queue, job.queue),
        agent = coalesce(asked.next_agent, job.agent),
        failures = 0,
        losses = 0,
        suspicions = 0,
        lost_with = '{}',
        error = null,
        worker = null,
        lease_until = null,
        since = moment.now,
        finished_at = case
            when asked.next_step is null or job.cancel_by is not null then moment.now
        end
    from asked, moment
    where job.id = asked.job
        and job.attempt = asked.attempt
        and job.steps[job.step + 1] = asked.step
        and job.status = 'running'
    returning
        job.id, job.queue, job.status, job.step, job.attempt, job.cancel_by, job.since,
        asked.step as finished_step
),
event_log as (
    insert into oms.job_events (job_id, at, fact, status, step, attempt, who, detail)
    select
        id,
        since,
        case status
            when 'done' then 'finished'
            when 'queued' then 'advanced'
            when 'waiting' then 'handed over'
            else 'cancelled'
        end,
        status, step, attempt, coalesce(%(worker)s::text, cancel_by), jsonb_build_object('completed', finished_step)
    from completed
)
select
    id, attempt, finished_step, status,
    case when status = 'waiting' then pg_notify('oms_backlog', queue)::text end as notified
from completed
