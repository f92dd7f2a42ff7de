-- Take a schedule for what is due of it; nothing where somebody else has it, or was first.
select *
from oms.schedules
where name = %(name)s::text and next_at <= oms.now() and paused_at is null and removed_at is null
for update skip locked
