-- The backlog of a queue by kind of work and deadline: a plan needs no more. Deadlines that are far ahead share wider
-- buckets. What was put in front by hand comes with a bucket of its own, which is null: it is before all that a plan may
-- change. One read of an index, and not of jobs.
select
    band, cell, bucket, width, must,
    count(*)::int as jobs,
    extract(epoch from bucket)::float8 as bucket_at,
    extract(epoch from min(due))::float8 as due,
    extract(epoch from min(pull))::float8 as pull
from (
    select
        band, cell, due, sla - due as pull, due < sla as must, width,
        date_bin(width * interval '1 second', due, 'epoch') as bucket
    from oms.jobs
    cross join lateral (values (
        case
            when due < to_timestamp(%(far)s::float8) then %(width)s::float8
            when due < to_timestamp(%(farthest)s::float8) then %(far_width)s::float8
            else %(farthest_width)s::float8
        end
    )) as span (width)
    where queue = %(queue)s::text and not agent and band in (0, 1) and -priority = 0
        and dispatched_at is null and finished_at is null and ready_at is null
    union all
    select 0, cell, due, interval '0', false, null, null
    from oms.jobs
    where queue = %(queue)s::text and not agent and band = 0 and -priority < 0
        and dispatched_at is null and finished_at is null and ready_at is null
) as job
group by band, cell, bucket, width, must
