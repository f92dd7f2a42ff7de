-- Let jobs go on whose clock has stood, by deadlines that are later by the time that it has.
with answered as (
    select * from unnest(%(jobs)s::bigint[], %(slas)s::timestamptz[], %(seconds)s::float8[]) as job (id, sla, seconds)
),
changed as (
    update oms.jobs as job
    set sla = answered.sla,
        due = oms.due(queue.policy, job.created_at, answered.sla, job.sla_minutes, job.must, estimate.upper),
        held_at = null,
        held_seconds = coalesce(job.held_seconds, 0) + answered.seconds,
        ready_at = case
            when job.held_ready_at > oms.now() then job.held_ready_at
            -- One with a limit waits until it is let in: see let_in.sql.
            when job.limit_key is not null then oms.held_back()
        end,
        held_ready_at = null,
        since = oms.now()
    from answered
    join oms.jobs as held on held.id = answered.id
    join oms.queues as queue on queue.name = held.queue
    left join oms.work_estimates as estimate on held.must and estimate.cell = held.cell
    where job.id = answered.id
    returning job.id, job.queue, job.status, job.step, job.attempt, job.sla, answered.seconds
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt, who, detail)
    select id, 'answered', status, step, attempt, %(who)s::text,
        jsonb_strip_nulls(
            jsonb_build_object('reason', %(reason)s::text, 'heldSeconds', round(seconds::numeric), 'deadline', sla)
        )
    from changed
)
select id, pg_notify('oms_backlog', queue) from changed
