-- What is known of a step that runs, for the report that it has failed.
select recipe_id, step, failures from oms.jobs
where id = %(job)s::bigint and attempt = %(attempt)s::int and steps[step + 1] = %(step)s::text and status = 'running'
