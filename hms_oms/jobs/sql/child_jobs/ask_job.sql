-- Ask for a job to be started, in the transaction in which the step that asks is completed.
insert into oms.child_jobs (parent_id, step, number, type, payload, options)
values (
    %(parent)s::bigint, %(step)s::smallint, %(number)s::int, %(type)s::text, %(payload)s::jsonb, %(options)s::jsonb
)
returning number
