-- The database's clock has jumped: leases are lengths of time, and keep what is left of them. So do starts that count
-- for a minute, and, where it was set back, the pause before a retry and the time for which an event is waited for. A
-- time of the day that was named stays.
with watched as (
    -- Heartbeats from before tell nothing.
    update oms.leaders set watched_since = clock_timestamp()
),
started as (
    update oms.limited_starts set at = at + make_interval(secs => %(seconds)s::float8)
),
waiting as (
    update oms.jobs as job
    set ready_at = job.ready_at + make_interval(secs => %(seconds)s::float8)
    where %(seconds)s::float8 < 0
        and job.finished_at is null and job.ready_at > oms.now() and job.ready_at < oms.parts_pending()
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
update oms.jobs
set lease_until = lease_until + make_interval(secs => %(seconds)s::float8)
where dispatched_at is not null and finished_at is null and status = 'running' and lease_until is not null
returning id
