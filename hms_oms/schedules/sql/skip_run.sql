-- End the run that waits for its file; nothing where none does.
update oms.schedule_runs
set state = %(state)s::text, note = %(note)s::text, ended_at = oms.now()
where id = (
    select id
    from oms.schedule_runs
    where schedule_id = %(schedule)s::bigint and state = 'waiting' and requested_by is null
    order by due_at
    limit 1
    for update
)
returning id
