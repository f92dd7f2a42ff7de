-- The worst misses of a span: ended late, failed, or open past their deadline; the latest first.
-- Their time runs from acceptance, or from the start that was asked for, to their end or until now.
with missed as (
    (
        select id, type, queue, status, sla, sla_minutes, clock_from, created_at, finished_at, finished_at as until
        from oms.jobs
        where finished_at >= %(since)s and finished_at < %(until)s and part is null
            and oms.kept(status, finished_at, sla, oms.now()) in ('late', 'failed')
            and (%(queue)s::text is null or queue = %(queue)s::text)
        order by finished_at - sla desc, id
        limit %(worst)s::int
    )
    union all
    (
        select id, type, queue, status, sla, sla_minutes, clock_from, created_at, null, oms.now()
        from oms.jobs
        where finished_at is null and sla < oms.now() and part is null and held_at is null
            and oms.now() >= %(since)s and oms.now() < %(until)s
            and (%(queue)s::text is null or queue = %(queue)s::text)
        order by sla, id
        limit %(worst)s::int
    )
)
select
    id as job, type, queue, status, sla as deadline, finished_at, until,
    coalesce(clock_from, greatest(created_at, sla - sla_minutes * interval '1 minute')) as since
from missed
order by until - sla desc, id
limit %(worst)s::int
