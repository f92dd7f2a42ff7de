-- The parts of a job's steps that are shown, so many of each step: those that failed first of all, then those that run.
select id, step, part, status, attempt, failures, worker
from (
    select
        *,
        row_number() over (
            partition by step
            order by array_position(array['failed', 'running', 'queued', 'waiting', 'cancelled', 'done'], status), part
        ) as place
    from oms.jobs
    where parent_id = %(job)s::bigint and part is not null
) as part
where place <= %(most)s::int
order by step, part
