-- The jobs that steps have asked for and that are not started yet; held until the transaction ends. None is started for
-- a job that has been cancelled.
select
    asked.parent_id as parent, asked.step, asked.number, asked.type, asked.payload, asked.options,
    coalesce(parent.status = 'cancelled', false) as cancelled
from oms.child_jobs as asked
left join oms.jobs as parent on parent.id = asked.parent_id
where asked.job_id is null and asked.fault is null
order by asked.asked_at, asked.parent_id, asked.number
limit %(most)s::int
for update of asked skip locked
