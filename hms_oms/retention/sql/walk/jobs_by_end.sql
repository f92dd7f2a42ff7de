-- The next jobs in the order of their end, of any type: so a look costs the same however many are passed over.
select id, finished_at, type, batch_id
from oms.jobs
where finished_at is not null and finished_at < %(before)s::timestamptz
    and (finished_at, id) > (%(after_at)s::timestamptz, %(after_id)s::bigint)
order by finished_at, id
limit %(limit)s::int
