-- Keep again what was given up in a queue, as much as one statement should: its policy gives nothing up.
with chosen as (
    select id
    from oms.jobs
    where queue = %(queue)s::text and not agent and band = 1
        and dispatched_at is null and finished_at is null and ready_at is null
    order by -priority, due, id
    limit 2000
    for update skip locked
)
update oms.jobs as job
set band = 0, given_up_at = null
from chosen
where job.id = chosen.id
returning job.id
