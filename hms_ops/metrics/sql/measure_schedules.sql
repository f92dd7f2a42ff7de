-- Each schedule, when it is due next unless it is paused, and how many of its runs of a day are in which state.
select
    schedule.name,
    case when schedule.paused_at is null then schedule.next_at end as next_at,
    count(run.id) filter (where run.state = 'waiting') as waiting,
    count(run.id) filter (where run.state = 'started') as started,
    count(run.id) filter (where run.state = 'failed') as failed,
    count(run.id) filter (where run.state = 'skipped') as skipped,
    count(run.id) filter (where run.state = 'missed') as missed
from oms.schedules as schedule
left join oms.schedule_runs as run
    on run.schedule_id = schedule.id and run.due_at > %(now)s::timestamptz - interval '24 hours'
where schedule.removed_at is null
group by schedule.id
order by schedule.name
