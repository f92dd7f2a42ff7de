-- Have the event log in months for a quarter of a year ahead; lines that stood without a month move into theirs. It is not
-- waited for those who read them: other readers would wait behind.
with limits as (
    select set_config('lock_timeout', '100ms', true)
)
select moved, unplaced from limits, oms.add_event_months(oms.now() + interval '3 months')
