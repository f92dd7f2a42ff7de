-- Give an application the inspector of its state with the fewest open visits, ties by the smallest id.
-- Returns the inspector, whether chosen now or long ago; no row where nobody covers the state, or where
-- another run of the same step has assigned one after this statement began (asked again, it is seen).
with
-- One assignment per application, ever: a step that runs again gets the inspector of its first run.
already as (
    select inspector_id from farm.assignments where app_id = %(app_id)s::bigint
),
-- All inspectors of the state are locked, not only the best: two who each locked the same best would both
-- pass it on by a load that the other has just changed. In the order of id, so that nobody waits in a circle.
-- A row that was waited for is returned as its last writer left it, so what is compared below is the truth of
-- this moment. An advisory lock per state would be one lock in place of a few, but must be taken in a
-- statement of its own (this one's snapshot is older than its wait), and would not keep out other writers of
-- these rows, such as a person who closes visits or sends an inspector on leave.
staff as materialized (
    select id, open_visits
    from farm.inspectors
    where state = %(state)s::bpchar and active and not exists (select from already)
    order by id
    for no key update
),
chosen as (
    select id from staff order by open_visits, id limit 1
),
assigned as (
    insert into farm.assignments (app_id, job_id, inspector_id, county_fips, assigned_at)
    select %(app_id)s::bigint, %(job_id)s::bigint, id, %(county_fips)s::text, oms.now() from chosen
    on conflict (app_id) do nothing
    returning inspector_id
),
-- The load moves only if the assignment was new.
loaded as (
    update farm.inspectors
    set open_visits = open_visits + 1
    where id = (select inspector_id from assigned)
    returning id, name
)
select id, name from loaded
union all
select id, name from farm.inspectors join already on id = inspector_id
