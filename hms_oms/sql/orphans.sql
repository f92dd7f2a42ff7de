-- Running steps that nobody runs any more: the worker is gone, or the lease has run out.
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
                else worker.beat_at < oms.now() - %(gone)s::float8 * interval '1 second'
            end
        )
    )
limit 10000
