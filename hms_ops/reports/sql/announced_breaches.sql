-- How late jobs of each queue were announced by the incidents that began in a span of time: an incident is a breach
-- once a job was late in it, and was announced if it opened because jobs would be late, before the first one was.
with begun as (
    select
        incident.queue, incident.state, incident.late_jobs, incident.opened_at,
        (
            select detail ->> 'stage' from ops.incident_events as event
            where event.incident_id = incident.id and event.kind = 'opened'
            order by event.id
            limit 1
        ) = 'will be late' as is_alarm,
        (select min(deadline) from ops.incident_jobs as late where late.incident_id = incident.id) as first_late,
        exists (
            select from ops.incident_events as event
            where event.incident_id = incident.id and event.kind = 'acknowledged'
        ) as is_answered
    from ops.incidents as incident
    where incident.opened_at >= %(since)s::timestamptz and incident.opened_at < %(until)s::timestamptz
        and incident.queue is not null and incident.rule = any(%(stages)s::text[])
)
select
    queue,
    count(*) filter (where late_jobs > 0)::int as breaches,
    count(*) filter (where late_jobs > 0 and is_alarm and opened_at < first_late)::int as announced,
    percentile_cont(0.5) within group (order by date_part('epoch', first_late - opened_at))
        filter (where late_jobs > 0 and is_alarm and opened_at < first_late) as warning_seconds,
    count(*) filter (where is_alarm and (late_jobs > 0 or state = 'resolved'))::int as alarms,
    count(*) filter (where is_alarm and late_jobs = 0 and state = 'resolved')::int as came_to_nothing,
    count(*) filter (where is_alarm and late_jobs = 0 and state = 'resolved' and is_answered)::int as answered
from begun
group by queue
order by queue
