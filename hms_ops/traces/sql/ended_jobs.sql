-- The jobs that ended after those whose traces were sent, with their event logs; the newest seconds are left to
-- reports that are just being committed.
with due as (
    select
        job.id, job.type, job.queue, job.status, job.steps, job.sla, job.finished_at,
        case when job.part is not null then job.parent_id end as parent_id, job.part
    from oms.jobs as job
    where job.finished_at is not null
        and (job.finished_at, job.id) > (%(finished_at)s::timestamptz, %(job)s::bigint)
        and job.finished_at < oms.now() - make_interval(secs => %(settle)s::float8)
    order by job.finished_at, job.id
    limit %(limit)s::int
)
select
    due.id, due.type, due.queue, due.status, due.steps, due.sla, due.finished_at,
    due.parent_id, due.part,
    jsonb_agg(
        jsonb_build_object(
            'at', line.at, 'fact', line.fact, 'status', line.status, 'step', line.step, 'attempt', line.attempt,
            'who', line.who, 'detail', line.detail
        )
        order by line.id
    ) as event_log
from due
join oms.job_events as line on line.job_id = due.id
group by due.id, due.type, due.queue, due.status, due.steps, due.sla, due.finished_at, due.parent_id, due.part
order by due.finished_at, due.id
