-- Look at the next jobs of a month of the event log: the last of them, and whether one keeps the month. It does if it
-- has lines there, and is open, or ended later than what is removed.
with looked as (
    select id, finished_at
    from oms.jobs
    where id > %(after)s::bigint and id <= %(last)s::bigint
    order by id
    limit %(limit)s::int
)
select max(looked.id) as last, coalesce(bool_or(
    (looked.finished_at is null or looked.finished_at >= %(before)s::timestamptz)
    and exists (
        select from oms.job_events as line
        where line.job_id = looked.id
            and line.at >= %(starts_at)s::timestamptz and line.at < %(ends_at)s::timestamptz
    )
), false) as kept
from looked
