-- Of cancelled jobs, those that cannot be reinstated, each with the newest job that has its key.
select job.id, holder.id as holder, holder.status
from oms.jobs as job
cross join lateral (
    select other.id, other.status
    from oms.jobs as other
    where other.type = job.type and other.key = job.freed_key and other.key is not null
    union all
    select newer.id, newer.status
    from oms.jobs as newer
    where newer.type = job.type and newer.freed_key = job.freed_key and newer.id > job.id
    order by id desc
    limit 1
) as holder
where job.id = any(%(jobs)s::bigint[]) and job.status = 'cancelled'
order by job.id
