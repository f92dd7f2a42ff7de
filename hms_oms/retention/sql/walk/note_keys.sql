-- Note the keys of the next jobs that will be removed, some time before they are. A job that has its key no more, or
-- is open again, loses the note.
with next as (
    select id
    from oms.jobs
    where finished_at is not null and finished_at < %(before)s::timestamptz
        and (finished_at, id) > (%(after_at)s::timestamptz, %(after_id)s::bigint)
    order by finished_at, id
    limit %(limit)s::int
),
undone as (
    delete from oms.known_keys as known
    using oms.jobs as job
    where known.removed_at is null and job.id = known.job_id
        and (job.finished_at is null or job.status = 'cancelled')
),
noted as (
    insert into oms.known_keys as known (
        type, key, job_id, queue, status, outcome, sla, sla_minutes, finished_at
    )
    select job.type, job.key, job.id, job.queue, job.status, job.outcome, job.sla, job.sla_minutes, job.finished_at
    from next
    join oms.jobs as job on job.id = next.id
    where job.key is not null and job.status <> 'cancelled' and job.type = any(%(types)s::text[])
        and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
    on conflict (type, key) do update set
        job_id = excluded.job_id, queue = excluded.queue, status = excluded.status, outcome = excluded.outcome,
        sla = excluded.sla, sla_minutes = excluded.sla_minutes, finished_at = excluded.finished_at,
        noted_by = excluded.noted_by, noted_at = excluded.noted_at, removed_at = null
    where known.job_id <> excluded.job_id
    returning known.job_id
)
select
    (select count(*) from noted)::int as noted,
    (select finished_at from oms.jobs where id = last.id) as last_at,
    last.id as last_id
from (select id from next join oms.jobs using (id) order by finished_at desc, id desc limit 1) as last
