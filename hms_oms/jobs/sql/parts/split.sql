-- Split the step of a job that the caller holds: a part for each of `queues`, with the deadline and the place that the
-- job has. The job waits until they have ended.
with parent as (
    update oms.jobs set ready_at = oms.parts_pending(), since = oms.now()
    where id = %(job)s::bigint
    returning *
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select id, 'split', status, step, attempt, 'dispatcher', jsonb_build_object('parts', cardinality(%(queues)s::text[]))
    from parent
),
parts as (
    insert into oms.jobs (
        type, recipe_id, steps, step, queue, agent, priority, sla, due, must, cell, sla_minutes, ready_at, payload,
         requested_by, limit_key, limit_at_once, parent_id, part
    )
    select
        parent.type, parent.recipe_id, parent.steps, parent.step, asked.queue, false, parent.priority, parent.sla,
        oms.due(queue.policy, oms.now(), parent.sla, parent.sla_minutes, parent.must, estimate.upper),
        parent.must, oms.cell_at(parent.cell, parent.step), parent.sla_minutes,
        case when %(at_once)s::int is not null then oms.held_back() end, '{}', parent.requested_by,
        case when %(at_once)s::int is not null then format('parts of job-%%s.%%s', parent.id, parent.step + 1) end,
        %(at_once)s::int, parent.id, asked.place - 1
    from parent
    cross join unnest(%(queues)s::text[]) with ordinality as asked (queue, place)
    join oms.queues as queue on queue.name = asked.queue
    left join oms.work_estimates as estimate
        on parent.must and estimate.cell = oms.cell_at(parent.cell, parent.step)
    order by asked.place
    returning id, queue, step, parent_id, part
),
begun as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select
        id, 'accepted', 'waiting', step, 1, 'dispatcher',
        jsonb_build_object('parent', 'job-' || parent_id, 'part', part, 'queue', queue)
    from parts
    order by id
)
select count(*)::int as parts from parts
