-- Tell which job was started, or why none was: then it may be asked for again.
update oms.child_jobs
set job_id = %(job)s::bigint, created = %(created)s::boolean, fault = %(fault)s::text,
    payload = case when %(fault)s::text is not null then payload end
where parent_id = %(parent)s::bigint and step = %(step)s::smallint and number = %(number)s::int
returning parent_id
