-- The database's clock has jumped: lengths of time follow. Leases keep what is left of them; starts that count for a
-- minute, heartbeats and states keep their age; where it was set back, the pause before a retry and the time for which an
-- event is waited for last no longer. A time of the day that was named stays.
with clock as (
    select oms.now() as now, make_interval(secs => %(seconds)s::float8) as jump, %(seconds)s::float8 > 0 as forward
),
watched as (
    -- Who leads next hears the workers first.
    update oms.leaders set watched_since = clock_timestamp()
),
started as (
    update oms.limited_starts set at = at + clock.jump from clock
),
heard as (
    -- Those from before the jump lie further back than it reaches, or ahead.
    update oms.workers as worker
    set beat_at = case
            when clock.forward and worker.beat_at <= clock.now - clock.jump or worker.beat_at > clock.now
            then least(worker.beat_at + clock.jump, clock.now) else worker.beat_at
        end,
        tickets_at = case
            when clock.forward and worker.tickets_at <= clock.now - clock.jump or worker.tickets_at > clock.now
            then least(worker.tickets_at + clock.jump, clock.now) else worker.tickets_at
        end
    from clock
),
queued as (
    update oms.jobs as job
    set since = least(job.since + clock.jump, clock.now)
    from clock
    where job.dispatched_at is not null and job.finished_at is null and job.status = 'queued'
        and (clock.forward and job.since <= clock.now - clock.jump or job.since > clock.now)
),
waiting as (
    update oms.jobs as job
    set ready_at = job.ready_at + clock.jump
    from clock
    where not clock.forward
        and job.finished_at is null and job.ready_at > clock.now and job.ready_at < oms.parts_pending()
        and job.status = 'waiting' and job.held_at is null
        and (
            job.event is not null
            or (
                job.failures > 0
                -- Unless a person has named a time since.
                and 'retrying' = (
                    select fact from oms.job_events as entry where entry.job_id = job.id order by entry.id desc limit 1
                )
            )
        )
)
update oms.jobs as job
set lease_until = job.lease_until + clock.jump,
    since = case
        when clock.forward and job.since <= clock.now - clock.jump or job.since > clock.now
        then least(job.since + clock.jump, clock.now) else job.since
    end
from clock
where job.dispatched_at is not null and job.finished_at is null and job.status = 'running' and job.lease_until is not null
returning job.id
