-- Take a run that waits; nothing where somebody else has it, or it has ended.
select id
from oms.schedule_runs
where id = %(run)s::bigint and state = 'waiting'
for update skip locked
