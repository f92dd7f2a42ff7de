-- The jobs of a queue that stand in the window or run, as an outlook needs them; jobs of agents are left out.
select
    id,
    date_part('epoch', created_at) as accepted,
    date_part('epoch', sla) as deadline,
    cell,
    60 * sla_minutes as sla,
    must,
    priority,
    true as in_flight,
    case when status = 'running' then date_part('epoch', since) end as runs_since,
    case when part is not null then parent_id end as whole
from oms.jobs
where queue = %(queue)s::text and not agent and dispatched_at is not null and finished_at is null and ready_at is null
order by dispatched_at, due, id
