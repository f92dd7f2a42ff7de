-- Schedules whose work has not started: nobody has looked at what is due for a while, the file of the run that
-- waits is missing or refused, or the latest run has failed, also in part. A run that somebody has asked for
-- counts if it has started: who has asked sees what comes of the others.
with at_work as (
    select
        schedule.*,
        (
            select recipe.definition ->> 'queue'
            from oms.recipes as recipe
            where recipe.type = schedule.type
            order by recipe.id desc
            limit 1
        ) as queue
    from oms.schedules as schedule
    where removed_at is null and paused_at is null
)
select at_work.name, queue, 'unlooked' as kind, next_at as since, null as note, due_at
from at_work
cross join lateral (values (next_at)) as due (due_at)
where next_at < oms.now() - %(patience)s::interval
union all
select
    at_work.name,
    queue,
    case
        when run.state = 'waiting' and run.faults = 0 then 'missing'
        when run.state = 'failed' then 'failed'
        else 'refused'
    end as kind,
    case when run.state = 'waiting' and run.faults = 0 then run.expected_by else coalesce(run.ended_at, run.looked_at) end
        as since,
    run.note,
    run.due_at
from at_work
cross join lateral (
    select
        latest.*,
        files.faults,
        files.looked_at
    from (
        select *
        from oms.schedule_runs as run
        where run.schedule_id = at_work.id
            and (run.requested_by is null or run.state = 'started')
            and run.state in ('waiting', 'started', 'failed')
        order by run.due_at desc
        limit 1
    ) as latest
    cross join lateral (
        select count(file.fault) as faults, max(file.taken_at) as looked_at
        from oms.schedule_files as file
        where file.run_id = latest.id
    ) as files
) as run
where run.settled_by is null
    and case run.state
        when 'waiting' then run.faults > 0 or run.expected_by <= oms.now()
        when 'failed' then true
        else run.note is not null
    end
order by name, kind
