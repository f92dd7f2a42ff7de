-- Remove the oldest lines of the audit trail.
with removable as (
    select id from oms.audit where at < %(before)s::timestamptz order by at limit %(limit)s::int
),
removed as (
    delete from oms.audit where id in (select id from removable) returning id
)
select count(*)::int as audit from removed
