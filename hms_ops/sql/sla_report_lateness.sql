-- How late the misses of a span are: how many of them lie in each bucket. One that failed in time is not late.
with late as (
    select extract(epoch from finished_at - sla)::float8 as seconds
    from oms.jobs
    where finished_at >= %(since)s and finished_at < %(until)s and finished_at > sla and status <> 'cancelled'
        and part is null
        and (%(queue)s::text is null or queue = %(queue)s::text)
    union all
    select extract(epoch from oms.now() - sla)::float8
    from oms.jobs
    where finished_at is null and sla < oms.now() and part is null and held_at is null
        and oms.now() >= %(since)s and oms.now() < %(until)s
        and (%(queue)s::text is null or queue = %(queue)s::text)
    union all
    -- Jobs that were removed: a quarter of an hour counts where it begins.
    select unnest(seconds_late)
    from oms.job_sums
    where quarter >= %(since)s and quarter < %(until)s
        and (%(queue)s::text is null or queue = %(queue)s::text)
)
select width_bucket(seconds, %(bounds)s::float8[]) as bucket, count(*) as jobs
from late
group by bucket
