-- Have new jobs refer to the cancelled ones whose keys they have been given. This is a statement of its own because
-- only so it sees a cancellation that the acceptance has waited for.
with replaced as (
    select job.id, max(cancelled.id) as cancelled
    from oms.jobs as job
    join oms.jobs as cancelled on cancelled.type = job.type and cancelled.freed_key = job.key
    where job.id = any(%(jobs)s::bigint[])
    group by job.id
)
update oms.jobs as job
set replaces = replaced.cancelled
from replaced
where job.id = replaced.id
