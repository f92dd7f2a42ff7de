-- The results of the parts of a step, in order.
select results -> steps[step + 1] as result
from oms.jobs
where parent_id = %(job)s::bigint and part is not null and step = %(step)s::smallint
order by part
