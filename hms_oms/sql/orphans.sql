-- Running steps that nobody runs any more: the worker is gone, or the lease has run out.
-- Workers that are gone: not heard for long, or not heard lately and no longer connected. When a process is
-- killed its connections end at once; a silent one that is still connected may only be slow.
with gone as (
    select id, tickets
    from oms.workers as worker
    where beat_at < oms.now() - %(gone)s::float8 * interval '1 second'
        or (
            beat_at < oms.now() - %(silent)s::float8 * interval '1 second'
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
    job.lease_until < oms.now() as expired
from oms.jobs as job
left join oms.workers as worker on worker.id = job.worker
where job.status = 'running'
    and (
        job.lease_until < oms.now()
        or (
            %(judge_workers)s::boolean
            and not job.agent
            and case
                -- A worker may claim before its first beat is recorded: give it the time of a beat.
                when worker.id is null then job.since < oms.now() - %(gone)s::float8 * interval '1 second'
                else worker.id in (select id from gone)
                    -- It lives, and says that it does not have the step: the claim was made, but its answer
                    -- never reached the worker.
                    or (
                        worker.beat_at > job.since + %(unheld)s::float8 * interval '1 second'
                        and not format('job-%%s.%%s.%%s', job.id, job.attempt, job.steps[job.step + 1])
                            = any(worker.tickets)
                    )
            end
        )
    )
limit 10000
