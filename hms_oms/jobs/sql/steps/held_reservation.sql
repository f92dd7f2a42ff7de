-- The step that an agent holds, if its ticket is still good.
select id, type, recipe_id, queue, step, steps, attempt, payload, results, sla, lease_until, worker
from oms.jobs
where id = %(job)s and attempt = %(attempt)s and steps[step + 1] = %(step)s
    and status = 'running' and agent
for update
