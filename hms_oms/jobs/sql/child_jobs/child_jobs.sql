-- The jobs that the steps of a job have started, in the order in which they have asked, and how they stand.
select
    asked.type, asked.job_id as job,
    coalesce(asked.fault, case
        when asked.job_id is null and parent.status = 'cancelled' then format('job-%%s was cancelled', parent.id)
    end) as fault,
    coalesce(child.status, asked.status) as status, child.outcome,
    case when %(results)s::boolean then child.results end as results,
    child.error ->> 'type' as error
from oms.child_jobs as asked
left join oms.jobs as child on child.id = asked.job_id
left join oms.jobs as parent on parent.id = %(job)s::bigint
where asked.parent_id in (
    select %(job)s::bigint
    union all
    select part.id from oms.jobs as part where part.parent_id = %(job)s::bigint and part.part is not null
)
order by asked.step, asked.parent_id, asked.number
