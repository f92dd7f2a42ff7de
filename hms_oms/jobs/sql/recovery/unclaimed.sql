-- Steps that have been queued for a while: are their messages still anywhere?
-- Workers that are gone: not heard for long, or not heard lately and no longer connected. When a process is
-- killed its connections end at once; a silent one that is still connected may only be slow.
with gone as (
    select id, tickets
    from oms.workers as worker
    where beat_at < oms.now() - %(gone)s::float8 * interval '1 second'
        or (
            beat_at < oms.now() - %(silent)s::float8 * interval '1 second'
            and worker.backend_pid is not null
            and not exists (
                select from pg_stat_activity as backend
                where backend.pid = worker.backend_pid and backend.datname = current_database()
            )
        )
)
select
    job.id as job,
    job.attempt,
    job.steps[job.step + 1] as step,
    exists (
        select from oms.workers as worker
        where worker.id not in (select id from gone)
            and format('job-%%s.%%s.%%s', job.id, job.attempt, job.steps[job.step + 1]) = any(worker.tickets)
    ) as held,
    exists (
        select from gone
        where format('job-%%s.%%s.%%s', job.id, job.attempt, job.steps[job.step + 1]) = any(gone.tickets)
    ) as gone_with_worker,
    job.queue
from oms.jobs as job
where job.dispatched_at >= coalesce(%(in_flight_from)s::timestamptz, '-infinity') and job.finished_at is null
    and job.status = 'queued'
    and job.since < oms.now() - %(grace)s::float8 * interval '1 second'
limit 10000
