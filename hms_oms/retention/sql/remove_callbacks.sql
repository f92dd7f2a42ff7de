-- Remove the oldest of what the provider called back about texts.
with removable as (
    select id from oms.callbacks
    where id in (select id from oms.callbacks order by id limit %(limit)s::int)
        and received_at < %(before)s::timestamptz
    order by id
    for update skip locked
),
removed as (
    delete from oms.callbacks where id in (select id from removable) returning id
)
select count(*)::int as callbacks from removed
