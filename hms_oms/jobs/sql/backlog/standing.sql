-- Where a job stands: its place in the backlog, the state of its queue, and who could run it.
select
    oms.now() as now,
    case when job.status = 'waiting' and job.ready_at is null then 1 + (
        select count(*)
        from oms.jobs as ahead
        where ahead.queue = job.queue and ahead.agent = job.agent
            and ahead.dispatched_at is null and ahead.finished_at is null and ahead.ready_at is null
            and (ahead.band, -ahead.priority, ahead.due, ahead.id) < (job.band, -job.priority, job.due, job.id)
    ) end as position,
    (
        select count(*) from oms.jobs as other
        where other.queue = job.queue and other.agent = job.agent
            and other.dispatched_at is null and other.finished_at is null and other.ready_at is null
    ) as backlog,
    (
        select count(*) from oms.jobs as other
        where other.queue = job.queue and other.dispatched_at is not null and other.finished_at is null
            and other.status = 'queued'
    ) as queued,
    worker_slots.slots, worker_slots.slots_lost, worker_slots.held_hosts,
    job.status = 'waiting' and job.band = 1 as given_up,
    case when job.status = 'waiting' and job.ready_at = oms.held_back() then job.limit_at_once end as limit_at_once,
    case when job.status = 'waiting' and job.ready_at = oms.held_back() then job.limit_starts end as limit_starts,
    case when job.limit_key is not null then (
        select count(*)
        from oms.jobs as other
        where other.limit_key = job.limit_key and other.finished_at is null and other.ready_at is null
            and other.id <> job.id
    ) else 0 end as with_key,
    case when job.limit_starts is not null then (
        select count(*) from oms.limited_starts as start
        where start.limit_key = job.limit_key and start.at > oms.now() - interval '1 minute'
    ) else 0 end as started_with_key,
    case when job.status = 'waiting' and job.event = '*parts' then parts.number end as parts,
    parts.open as open_parts,
    job.status = 'waiting' and job.event is not distinct from '*jobs' as awaits_jobs,
    queue.paused_at, queue.paused_by, queue.pause_reason, queue.starts_per_minute, queue.window_size
from oms.jobs as job
join oms.queues as queue on queue.name = job.queue
cross join lateral (
    select
        coalesce(sum(slots), 0) as slots, coalesce(sum(slots_lost), 0) as slots_lost,
        coalesce(
            array_agg(distinct format('%%s (%%s)', host, held_because)) filter (where held_because is not null), '{}'
        ) as held_hosts
    from oms.workers
    where job.queue = any(queues || left_queues)
        and beat_at > oms.now() - %(gone)s::float8 * interval '1 second'
) as worker_slots
cross join lateral (
    select count(*) as number, count(*) filter (where finished_at is null) as open
    from oms.jobs as part
    where part.parent_id = job.id and part.part is not null and part.step = job.step
) as parts
where job.id = %(job)s::bigint
