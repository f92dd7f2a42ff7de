-- The database's clock was set back: what was noted by the clock that was ahead is as old as can be, which is now. A
-- worker that is lost would else be heard, and a message on its way, until the clock is there again.
with heard as (
    update oms.workers
    set beat_at = least(beat_at, oms.now()), tickets_at = least(tickets_at, oms.now())
    where beat_at > oms.now() or tickets_at > oms.now()
)
update oms.jobs
set since = oms.now()
where dispatched_at is not null and finished_at is null and status in ('queued', 'running') and since > oms.now()
returning id
