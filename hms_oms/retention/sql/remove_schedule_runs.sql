-- Remove the oldest runs of schedules that have ended, but the latest of each, and with a run its files: until
-- then none of them is taken again.
with removable as (
    select run.id
    from oms.schedule_runs as run
    where run.ended_at < %(before)s::timestamptz
        and exists (
            select from oms.schedule_runs as later
            where later.schedule_id = run.schedule_id and later.due_at > run.due_at
        )
    order by run.id
    limit %(limit)s::int
    for update skip locked
),
files as (
    delete from oms.schedule_files where run_id in (select id from removable)
),
removed as (
    delete from oms.schedule_runs where id in (select id from removable) returning id
)
select count(*)::int as schedule_runs from removed
