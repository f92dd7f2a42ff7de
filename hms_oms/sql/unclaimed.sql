-- Steps that have been queued for a while: are their messages still anywhere?
select
    job.id as job,
    job.attempt,
    job.steps[job.step + 1] as step,
    exists (
        select from oms.workers as worker
        where worker.beat_at >= oms.now() - %(gone)s::float8 * interval '1 second'
            and format('job-%%s.%%s.%%s', job.id, job.attempt, job.steps[job.step + 1]) = any(worker.tickets)
    ) as held,
    exists (
        select from oms.workers as worker
        where worker.beat_at < oms.now() - %(gone)s::float8 * interval '1 second'
            and format('job-%%s.%%s.%%s', job.id, job.attempt, job.steps[job.step + 1]) = any(worker.tickets)
    ) as gone_with_worker,
    job.queue
from oms.jobs as job
where job.status = 'queued' and job.since < oms.now() - %(grace)s::float8 * interval '1 second'
limit 10000
