-- How late the misses of a span are: how many of them lie in each bucket. One that failed in time is not late.
with late as (
    select finished_at - sla as by
    from oms.jobs
    where finished_at >= %(since)s and finished_at < %(until)s and finished_at > sla and status <> 'cancelled'
        and (%(queue)s::text is null or queue = %(queue)s::text)
    union all
    select oms.now() - sla
    from oms.jobs
    where finished_at is null and sla < oms.now()
        and oms.now() >= %(since)s and oms.now() < %(until)s
        and (%(queue)s::text is null or queue = %(queue)s::text)
)
select width_bucket(extract(epoch from by)::float8, %(bounds)s::float8[]) as bucket, count(*) as jobs
from late
group by bucket
