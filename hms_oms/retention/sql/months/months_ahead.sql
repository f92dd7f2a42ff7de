-- Until when the event log has months, and whether lines are later than that.
with ahead as (
    select max(ends_at) as until from oms.event_months
)
select
    until,
    until < oms.now() + interval '1 month' as are_short,
    exists (select from oms.job_events where at >= (select until from ahead)) as has_later_lines
from ahead
