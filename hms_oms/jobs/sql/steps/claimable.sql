-- Tickets that were not claimed although they are good: because the worker was not heard, or the step is suspected.
select job.id as job, job.attempt, asked.step, exists (
    select from oms.workers as worker
    where worker.id = %(worker)s::text
        and worker.beat_at > oms.now() - make_interval(secs => %(heartbeat_within)s::float8)
) as lives, job.suspicions > 0 as suspected
from unnest(%(jobs)s::bigint[], %(attempts)s::int[], %(steps)s::text[]) as asked (job, attempt, step)
join oms.jobs as job on job.id = asked.job and job.attempt = asked.attempt
    and job.steps[job.step + 1] = asked.step and job.status = 'queued' and job.cancel_by is null
where not exists (
    select from oms.queues as queue where queue.name = job.queue and queue.paused_at is not null
)
