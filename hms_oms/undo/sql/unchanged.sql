-- The jobs of a change, how they stand, and who has changed the same about them since. What has been undone meanwhile
-- is as if it had not been done.
select
    job.id, job.status,
    case
        when job.held_at is not null then 'an answer'
        when job.event = '*parts' then 'its parts'
        when job.event = '*jobs' then 'other jobs'
        when job.event is not null then 'an event'
    end as awaited,
    (
        select change.actor
        from oms.changed_jobs as later
        join oms.changes as change on change.id = later.change_id
        where later.job_id = kept.job_id and later.event_id > kept.event_id and not later.restored
            and change.action = any(%(actions)s::text[])
        order by later.event_id desc
        limit 1
    ) as changed_by
from oms.changed_jobs as kept
join oms.jobs as job on job.id = kept.job_id
where kept.change_id = %(change)s::bigint
order by job.id
