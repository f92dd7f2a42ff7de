-- The database's clock may have been set back while nobody led: what was noted by the clock that was ahead is as old as can
-- be, which is now. A worker that is lost would else be heard, a message on its way, and a retry or what waits for an event
-- would wait, until the clock is there again.
with heard as (
    update oms.workers
    set beat_at = least(beat_at, oms.now()), tickets_at = least(tickets_at, oms.now())
    where beat_at > oms.now() or tickets_at > oms.now()
),
waiting as (
    update oms.jobs as job
    set since = oms.now(), ready_at = greatest(job.ready_at - (job.since - oms.now()), oms.now())
    where job.finished_at is null and job.ready_at > oms.now() and job.ready_at < oms.parts_pending()
        and job.status = 'waiting' and job.held_at is null and job.since > oms.now()
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
set since = oms.now()
where dispatched_at is not null and finished_at is null and status in ('queued', 'running') and since > oms.now()
returning id
