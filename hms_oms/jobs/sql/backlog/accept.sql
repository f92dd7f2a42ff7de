-- Accept requests of one job type: a row and an event log line for each that is not there already.
with asked as (
    select payload, key, cell, must, place
    from rows from (
        jsonb_array_elements(%(payloads)s::jsonb),
        unnest(%(keys)s::text[]), unnest(%(cells)s::int[]), unnest(%(musts)s::boolean[])
    ) with ordinality as request (payload, key, cell, must, place)
),
-- The same key asked for twice in one call is one job: the first wins.
firsts as (
    select distinct on (coalesce(key, place::text), key is null) payload, key, cell, must, place
    from asked
    order by coalesce(key, place::text), key is null, place
),
accepted as (
    insert into oms.jobs (
        type, recipe_id, steps, queue, agent, priority, sla, due, must, cell, sla_minutes, calendar_id, clock_from,
        ready_at, payload, batch_id, key, requested_by, unique_key, limit_key, limit_at_once, limit_starts, event
    )
    select
        %(type)s::text, %(recipe_id)s::int, %(steps)s::text[], %(queue)s::text, %(agent)s::boolean,
        %(priority)s::int,
        deadline.sla,
        oms.due(queue.policy, oms.now(), deadline.sla, %(sla_minutes)s::float8, firsts.must, estimate.upper),
        firsts.must, firsts.cell, %(sla_minutes)s::float8, %(calendar)s::int, %(clock_from)s::timestamptz,
        -- One with a limit waits until it is let in: see let_in.sql. One that begins in parts is in no backlog.
        coalesce(
            %(ready_at)s::timestamptz,
            case when limited.by is not null then oms.held_back() when %(event)s::text is not null then oms.now() end
        ),
        payload, %(batch_id)s::bigint, key, %(requested_by)s::text,
        %(unique_key)s::text, limited.by, case when limited.by is not null then %(limit_at_once)s::int end,
        case when limited.by is not null then %(limit_starts)s::int end, %(event)s::text
    from firsts
    cross join lateral (
        select %(limit_scope)s::text || coalesce(%(limit_key)s::text, payload ->> %(limit_field)s::text) as by
    ) as limited
    cross join (
        -- By the calendar of the queue, or else all time counts.
        select coalesce(
            %(deadline)s::timestamptz,
            coalesce(%(ready_at)s::timestamptz, oms.now()) + %(sla_minutes)s::float8 * interval '1 minute'
        ) as sla
    ) as deadline
    join oms.queues as queue on queue.name = %(queue)s::text
    left join oms.work_estimates as estimate on firsts.must and estimate.cell = firsts.cell
    -- A job that retention has removed may still have its key.
    where not exists (
        select from oms.known_keys as known where known.type = %(type)s::text and known.key = firsts.key
    )
    order by place
    on conflict (type, key) where key is not null do nothing
    returning id, key
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who)
    select id, 'accepted', 'waiting', 0, 1, %(requested_by)s::text from accepted
)
select
    coalesce(array_agg(id order by id), '{}') as jobs,
    coalesce(array_agg(key order by id), '{}') as keys,
    pg_notify('oms_backlog', %(queue)s::text)
from accepted
