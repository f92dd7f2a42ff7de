-- What retention would remove now, by job type. `needed` jobs are over their time and stay.
with rule as (
    select *
    from unnest(
        %(types)s::text[], %(jobs)s::timestamptz[], %(events)s::timestamptz[], %(messages)s::timestamptz[],
        %(attempts)s::timestamptz[], %(personal_data)s::timestamptz[], %(personal)s::boolean[]
    ) as rule (type, jobs, events, messages, attempts, personal_data, personal)
),
-- A cycle with open jobs needs the others.
running as (
    select distinct batch_id from oms.jobs where finished_at is null and batch_id is not null
),
due as (
    select
        job.id, job.finished_at, job.erased_at, job.part,
        job.id in (select job_id from oms.needed_jobs)
            or job.batch_id in (select batch_id from running) as needed,
        job.id in (select job_id from oms.held_jobs) as held,
        rule.*
    from rule
    join oms.jobs as job on job.type = rule.type
    where job.finished_at < greatest(rule.jobs, rule.events, rule.messages, rule.attempts, rule.personal_data)
)
select
    type,
    count(*) filter (where finished_at < jobs and not needed and part is null)::int as jobs,
    coalesce(sum((select count(*) from oms.job_events as event where event.job_id = due.id))
        filter (where finished_at < greatest(jobs, events) and not needed), 0)::int as events,
    coalesce(sum((select count(*) from oms.messages as message where message.job_id = due.id))
        filter (where finished_at < greatest(jobs, messages) and not needed), 0)::int as messages,
    count(*) filter (
        where finished_at < personal_data and finished_at >= jobs and not needed
            and (
                (personal and erased_at is null)
                or exists (
                    select from oms.messages as message
                    where message.job_id = due.id and message.erased_at is null and due.finished_at >= due.messages
                )
            )
    )::int as personal_data,
    count(*) filter (where finished_at < jobs and held and part is null)::int as held,
    count(*) filter (where finished_at < jobs and needed and not held and part is null)::int as needed
from due
group by type
order by type
