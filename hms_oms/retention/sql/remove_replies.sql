-- Remove the oldest of what people texted back.
with removable as (
    select id from oms.replies where received_at < %(before)s::timestamptz order by id limit %(limit)s::int
    for update skip locked
),
removed as (
    delete from oms.replies where id in (select id from removable) returning id
)
select count(*)::int as replies from removed
