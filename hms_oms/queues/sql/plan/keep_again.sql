-- Keep so many jobs of each kind of work and deadline again, the farthest deadlines first.
with move as (
    select * from unnest(
        %(cells)s::int[], %(buckets)s::float8[], %(untils)s::float8[], %(musts)s::boolean[], %(jobs)s::int[]
    ) as move (cell, bucket, until, must, jobs)
),
chosen as (
    select job.id
    from move
    cross join lateral (
        select id
        from oms.jobs
        where queue = %(queue)s::text and not agent and band = 1 and -priority = 0
            and dispatched_at is null and finished_at is null and ready_at is null
            and due >= to_timestamp(move.bucket) and due < to_timestamp(move.until)
            and jobs.cell = move.cell and (due < sla) = move.must
        order by due desc, id desc
        limit move.jobs
        for update skip locked
    ) as job
)
update oms.jobs as job
set band = 0, given_up_at = null
from chosen
where job.id = chosen.id
returning job.id
