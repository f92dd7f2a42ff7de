-- Tell which job was started, or why none was.
update oms.child_jobs
set job_id = %(job)s::bigint, created = %(created)s::boolean, fault = %(fault)s::text, payload = null
where parent_id = %(parent)s::bigint and step = %(step)s::smallint and number = %(number)s::int
returning parent_id
