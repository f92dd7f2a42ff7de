-- Lock jobs whose clock stands, with what is needed to move their deadline.
select id, sla, held_at, clock_from, calendar_id, oms.now() as now
from oms.jobs
where id = any(%(jobs)s::bigint[]) and held_at is not null and status = 'waiting'
order by id
for update
