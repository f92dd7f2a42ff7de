-- The jobs of a queue that wait for their turn, a row for those that are alike, each in no order, as an outlook needs them:
-- jobs of agents are left out, and those that wait for another thing. By its SLA only what must be on time is served.
select
    cell, must, priority, sla,
    array_agg(id) as ids,
    array_agg(accepted) as accepted,
    array_agg(deadline) as deadlines,
    case when is_part then array_agg(parent_id) end as wholes
from (
    select
        id, cell, must, priority, parent_id, part is not null as is_part,
        case when must then 60 * sla_minutes else 0 end as sla,
        date_part('epoch', created_at) as accepted,
        date_part('epoch', sla) as deadline
    from oms.jobs
    where queue = %(queue)s::text and not agent and dispatched_at is null and finished_at is null and ready_at is null
) as job
group by cell, must, priority, sla, is_part
