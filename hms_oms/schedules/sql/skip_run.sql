-- End the run that waits for its file, or settle the latest one that has failed or has refused a file; nothing
-- where there is none.
update oms.schedule_runs as run
set state = case when run.state = 'waiting' then 'skipped' else run.state end,
    note = concat_ws('; ', case when run.state <> 'waiting' then run.note end, %(note)s::text),
    ended_at = coalesce(run.ended_at, oms.now()),
    settled_by = %(who)s::text
from (
    select id
    from oms.schedule_runs
    where schedule_id = %(schedule)s::bigint and state in ('waiting', 'failed', 'started')
        and (requested_by is null or state = 'started')
    order by state = 'waiting' desc, due_at desc
    limit 1
    for update
) as latest
where run.id = latest.id and run.settled_by is null and (run.state <> 'started' or run.note is not null)
returning run.id
