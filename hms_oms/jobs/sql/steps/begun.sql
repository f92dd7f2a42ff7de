-- What is known of a step that runs: for the report that it has failed, and for a step that asks whether to go on.
select recipe_id, step, part, failures, cancel_by from oms.jobs
where id = %(job)s::bigint and attempt = %(attempt)s::int and steps[step + 1] = %(step)s::text and status = 'running'
