-- Mark the cycles that have come to their end: all requests have come in, and no job is open. Each once: a job that a
-- person has tried again later does not begin the cycle again.
with over as (
    select batch.id
    from oms.batches as batch
    where batch.ended_at is null
        and batch.closed_at is not null
        and not exists (
            select from oms.jobs as job where job.batch_id = batch.id and job.finished_at is null
        )
    order by batch.id
    limit 100
    for update skip locked
),
counted as (
    select
        over.id,
        max(job.finished_at) as last_finished,
        count(job.id)::int as jobs,
        count(*) filter (where job.status = 'done')::int as done,
        count(*) filter (where job.status = 'failed')::int as failed,
        count(*) filter (where job.status = 'cancelled')::int as cancelled,
        count(*) filter (where job.status <> 'cancelled' and job.finished_at > job.sla)::int as late
    from over
    left join oms.jobs as job on job.batch_id = over.id
    group by over.id
)
update oms.batches as batch
set ended_at = greatest(batch.closed_at, counted.last_finished)
from counted
where batch.id = counted.id
returning batch.id, batch.type, batch.ended_at, counted.jobs, counted.done, counted.failed, counted.cancelled, counted.late
