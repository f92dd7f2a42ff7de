-- Have the event log in months for a quarter of a year ahead; lines that stood without a month move into theirs.
with limits as (
    select set_config('lock_timeout', '1s', true)
)
select moved, unplaced from limits, oms.add_event_months(oms.now() + interval '3 months')
