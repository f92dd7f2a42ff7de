-- The numbers of the lines that tell of a step's beginning or end, in a range that is read once.
select id, job_id
from oms.job_events
where id > %(after)s::bigint and id <= %(until)s::bigint
    and at > to_timestamp(%(since)s::float8)
    and fact = any(%(facts)s::text[])
order by id
limit %(limit)s::int
