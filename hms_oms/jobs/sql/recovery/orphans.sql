-- Running steps that nobody runs any more: the worker is gone, or the lease has run out.
with gone as (
    select id, tickets from oms.gone_workers(%(gone)s::float8, %(silent)s::float8)
)
select
    job.id as job,
    job.attempt,
    job.steps[job.step + 1] as step,
    case
        when worker.id in (select id from gone) then 'gone'
        when job.agent or worker.id is null then 'expired'
        else 'unheld'
    end as reason
from oms.jobs as job
left join oms.workers as worker on worker.id = job.worker
cross join lateral (
    -- Under its attempt, whichever step: while it learns that the next one is its own it names the one before.
    select exists (
        select from unnest(worker.tickets) as ticket
        where starts_with(ticket, format('job-%%s.%%s.', job.id, job.attempt))
    ) as held
) as said
-- Of a later time it was found before the clock was set back.
where job.dispatched_at >= least(coalesce(%(in_flight_from)s::timestamptz, '-infinity'), oms.now() - interval '5 seconds')
    and job.finished_at is null
    and job.status = 'running'
    and case
        when job.agent then job.lease_until < oms.now()
        -- A worker has left with its step still running, or its row is gone.
        when worker.id is null
            then %(judge_workers)s::boolean and job.since < oms.now() - %(gone)s::float8 * interval '1 second'
        when worker.id in (select id from gone) then %(judge_workers)s::boolean
        -- It lives, and says that it does not have the step: the claim was made, but its answer never reached
        -- it. While it says that it has the step no lease runs out: it would run twice.
        else %(judge_workers)s::boolean
            and not said.held
            and worker.tickets_at > job.since + %(unheld)s::float8 * interval '1 second'
    end
limit 10000
