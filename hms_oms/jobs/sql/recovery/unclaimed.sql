-- Steps that have been queued for a while: are their messages still anywhere?
with gone as (
    select id, tickets from oms.gone_workers(%(gone)s::float8, %(silent)s::float8)
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
    job.queue,
    oms.now() as looked_at,
    (select min(tickets_at) from oms.workers where id not in (select id from gone)) as oldest_beat_at
from oms.jobs as job
-- Of a later time it was found before the clock was set back.
where job.dispatched_at >= least(coalesce(%(in_flight_from)s::timestamptz, '-infinity'), oms.now() - interval '5 seconds')
    and job.finished_at is null
    and job.status = 'queued'
    and job.since < oms.now() - %(grace)s::float8 * interval '1 second'
limit 10000
