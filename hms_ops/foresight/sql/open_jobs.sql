-- The open jobs of a queue as an outlook needs them, those in flight first: jobs of agents are left out, and those that
-- wait for another thing than their turn.
select
    id,
    date_part('epoch', created_at) as accepted,
    date_part('epoch', sla) as deadline,
    cell,
    60 * sla_minutes as sla,
    must,
    priority,
    dispatched_at is not null as in_flight,
    case when status = 'running' then date_part('epoch', since) end as runs_since,
    part is not null as is_part
from oms.jobs
where queue = %(queue)s::text and not agent and finished_at is null and ready_at is null
order by dispatched_at, due, id
