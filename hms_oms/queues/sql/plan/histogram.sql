-- The backlog of a queue by kind of work and deadline: a plan needs no more. What was put in front by hand comes with
-- a bucket of its own, which is null: it is before all that a plan may change. One read of an index, and not of jobs.
select
    band, cell, bucket, must,
    count(*)::int as jobs,
    extract(epoch from bucket)::float8 as bucket_at,
    extract(epoch from min(due))::float8 as due,
    extract(epoch from min(pull))::float8 as pull
from (
    select
        band, cell, due, sla - due as pull, due < sla as must,
        date_bin(
            case when due < to_timestamp(%(far)s::float8) then %(width)s::float8 else %(far_width)s::float8 end
                * interval '1 second',
            due, 'epoch'
        ) as bucket
    from oms.jobs
    where queue = %(queue)s::text and not agent and band in (0, 1) and -priority = 0
        and dispatched_at is null and finished_at is null and ready_at is null
    union all
    select 0, cell, due, interval '0', false, null
    from oms.jobs
    where queue = %(queue)s::text and not agent and band = 0 and -priority < 0
        and dispatched_at is null and finished_at is null and ready_at is null
) as job
group by band, cell, bucket, must
