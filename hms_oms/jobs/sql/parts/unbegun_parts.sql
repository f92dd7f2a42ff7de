-- The parts of a step that nobody works on, and that have not ended.
select id
from oms.jobs
where parent_id = %(job)s::bigint and part is not null and step = %(step)s::smallint
    and finished_at is null and status in ('waiting', 'queued')
order by id
