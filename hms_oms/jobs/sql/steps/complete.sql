-- Complete steps. Only the attempt that runs the step may, so each step has one recorded result. With a lease the
-- next step is claimed by the same worker in the same moment, unless something is in its way. The texts of the steps
-- are put into the outbox.
-- A step with effects reports in the transaction that began with the first of them, and `oms.now()` is when that
-- was: the step ends now.
with moment as (
    select oms.now() + (clock_timestamp() - now()) as now
),
asked as (
    select * from unnest(
        %(jobs)s::bigint[], %(attempts)s::int[], %(steps)s::text[], %(results)s::text[], %(outcomes)s::text[],
        %(next_steps)s::smallint[], %(next_queues)s::text[], %(next_agents)s::boolean[], %(hand_overs)s::boolean[],
        %(leases)s::float8[], %(events)s::text[], %(waits)s::float8[], %(ready_ats)s::timestamptz[]
    ) as report (
        job, attempt, step, result, outcome, next_step, next_queue, next_agent, hand_over, lease, event, wait, ready_at
    )
),
-- `waits` and `goes_on` are read many times below, so each is worked out once.
waiting as materialized (
    -- To or from an agent or an event, before a later time, in a paused queue, and in another one that limits its jobs
    -- at once, it waits its turn.
    select asked.*, asked.hand_over or exists (
        select from oms.queues as queue
        where queue.name = asked.next_queue
            and (queue.paused_at is not null or (queue.at_once is not null and not exists (
                select from oms.jobs as job where job.id = asked.job and job.queue = asked.next_queue
            )))
    ) as waits
    from asked
),
judged as materialized (
    select waiting.*, waiting.lease is not null and waiting.next_step is not null and not waiting.waits and (
        -- A worker that is not heard would be judged lost with what it claims.
        %(heartbeat_within)s::float8 is null or exists (
            select from oms.workers as worker
            where worker.id = %(worker)s::text
                and worker.beat_at > oms.now() - make_interval(secs => %(heartbeat_within)s::float8)
        )
    ) as goes_on
    from waiting
),
completed as (
    update oms.jobs as job
    set status = case
            when job.cancel_by is not null and report.next_step is not null then 'cancelled'
            when report.next_step is null then 'done'
            when report.waits then 'waiting'
            when report.goes_on then 'running'
            -- Between workers the next message follows at once.
            else 'queued'
        end,
        results = job.results || jsonb_build_object(report.step, report.result::jsonb),
        outcome = coalesce(report.outcome, job.outcome),
        step = coalesce(report.next_step, job.step),
        queue = coalesce(report.next_queue, job.queue),
        agent = coalesce(report.next_agent, job.agent),
        event = report.event,
        ready_at = coalesce(report.ready_at, moment.now + make_interval(secs => report.wait)),
        band = case when report.waits then 0 else job.band end,
        given_up_at = case when not report.waits then job.given_up_at end,
        cell = case when report.waits then oms.cell_at(job.cell, report.next_step) else job.cell end,
        failures = 0,
        losses = 0,
        suspicions = 0,
        lost_with = '{}',
        error = null,
        worker = case when report.goes_on and job.cancel_by is null then %(worker)s::text end,
        lease_until = case
            when report.goes_on and job.cancel_by is null then moment.now + make_interval(secs => report.lease)
        end,
        since = moment.now,
        dispatched_at = case
            when report.next_step is null or job.cancel_by is not null or not report.waits then job.dispatched_at
        end,
        finished_at = case
            when report.next_step is null or job.cancel_by is not null then moment.now
        end
    from judged as report, moment
    where job.id = report.job
        and job.attempt = report.attempt
        and job.steps[job.step + 1] = report.step
        and job.status = 'running'
    returning
        job.id, job.queue, job.status, job.step, job.attempt, job.cancel_by, job.since, job.worker,
        job.created_at, job.event, job.ready_at, report.step as finished_step
),
-- A job that is older than a restore of the ledger may have sent its texts after the backup was made: then the provider
-- is asked for them first, as for a text whose answer was lost, and one that is not there goes with the label of one
-- that may have come before.
texts as (
    select completed.id as job, completed.created_at as since, text.token, text.recipient, text.body, exists (
        select from oms.restores as restore where restore.restored_at > completed.created_at
    ) as doubtful
    from unnest(
        %(text_jobs)s::bigint[], %(text_steps)s::text[], %(tokens)s::text[], %(recipients)s::text[], %(bodies)s::text[]
    ) as text (job, step, token, recipient, body)
    join completed on completed.id = text.job and completed.finished_step = text.step
),
-- No notification: PostgreSQL lets transactions that notify commit one at a time only.
outbox as (
    insert into oms.messages (token, job_id, kind, recipient, body, state, attempts, handed_over)
    select
        token, job, 'applicant', recipient, body,
        case when doubtful then 'unknown' else 'pending' end, doubtful::int, doubtful
    from texts
    on conflict (token) do nothing
    returning id, token
),
attempted as (
    insert into oms.message_attempts (message_id, number, sender, started_at, finished_at, outcome)
    select outbox.id, 1, 'before the restore', texts.since, oms.now(), 'unknown'
    from outbox
    join texts on texts.token = outbox.token and texts.doubtful
),
-- One line a step: with the status `running` it tells the claim to the next one, too (hms_oms.jobs.records.in_full).
event_log as (
    insert into oms.job_events (job_id, at, fact, status, step, attempt, who, detail)
    select
        id,
        since,
        case status
            when 'done' then 'finished'
            when 'queued' then 'advanced'
            when 'running' then 'advanced'
            when 'waiting' then
                case when event is not null then 'awaiting' when ready_at is not null then 'sleeping' else 'handed over' end
            else 'cancelled'
        end,
        status, step, attempt, coalesce(%(worker)s::text, cancel_by),
        case
            when ready_at is null then jsonb_build_object('completed', finished_step)
            else jsonb_strip_nulls(
                -- A step in parts is begun at once, unless it is to be later.
                jsonb_build_object(
                    'completed', finished_step, 'event', case when event not in ('*parts', '*jobs') then event end, 'readyAt', nullif(ready_at, since)
                )
            )
        end
    from completed
)
select
    id, attempt, finished_step, status, since,
    case when status = 'waiting' then pg_notify('oms_backlog', queue)::text end as notified
from completed
