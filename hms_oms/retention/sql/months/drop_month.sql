-- Drop a month of the event log. It is not waited for those who read it: reports would wait behind.
with limits as materialized (
    select set_config('lock_timeout', '100ms', true)
)
select oms.drop_event_month(%(name)s::text) as dropped from limits
