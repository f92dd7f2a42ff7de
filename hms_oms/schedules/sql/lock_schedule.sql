-- Take a schedule for a change.
select *
from oms.schedules
where name = %(name)s::text and removed_at is null
for update
