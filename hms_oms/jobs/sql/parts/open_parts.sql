-- The parts of a step that have not ended.
select id
from oms.jobs
where parent_id = %(job)s::bigint and part is not null and step = %(step)s::smallint and finished_at is null
order by id
