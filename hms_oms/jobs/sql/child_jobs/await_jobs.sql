-- Mark those that have come to wait for their child jobs, and whose child jobs have not ended: the dispatcher looks as
-- long as there are such.
with fresh as (
    select id from oms.jobs
    where event = '*jobs' and finished_at is null and status = 'waiting' and ready_at <= oms.now()
    order by id
    limit 5000
    for update skip locked
)
update oms.jobs as job set ready_at = oms.parts_pending() from fresh where job.id = fresh.id
returning job.id
