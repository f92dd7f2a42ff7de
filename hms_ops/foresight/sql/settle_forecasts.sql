-- Settle the forecasts whose job has ended, and count as missed those whose limit has passed. Those of jobs that were
-- cancelled, moved, put elsewhere in line, or given another deadline are removed: of these they said nothing. Tell
-- which limits are decided now, in the order in which that came.
with judged as (
    select forecast.id, forecast.queue, forecast.missed as missed_before,
        date_part('epoch', job.finished_at - forecast.at) as ended,
        case
            when job.finished_at is not null then job.finished_at > forecast.at + make_interval(secs => forecast.latest)
            when %(now)s::timestamptz > forecast.at + make_interval(secs => forecast.latest) then true
        end as missed,
        coalesce(
            job.id is null or job.status = 'cancelled' or job.queue <> forecast.queue
                or job.sla <> forecast.deadline or job.priority <> forecast.priority or job.held_at is not null,
            true
        ) as is_void,
        least(job.finished_at, forecast.at + make_interval(secs => forecast.latest)) as decided_at
    from ops.forecasts as forecast
    left join oms.jobs as job on job.id = forecast.job_id
    where forecast.ended is null
),
removed as (
    delete from ops.forecasts as forecast using judged where forecast.id = judged.id and judged.is_void
),
settled as (
    update ops.forecasts as forecast
    set ended = judged.ended, missed = coalesce(forecast.missed, judged.missed)
    from judged
    where forecast.id = judged.id and not judged.is_void and forecast.ended is null
        and (judged.ended is not null or (judged.missed and forecast.missed is null))
    returning forecast.id, forecast.queue, forecast.missed, judged.missed_before, judged.decided_at
)
select queue, missed
from settled
where missed_before is null and missed is not null
order by decided_at, id
