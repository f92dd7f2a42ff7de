-- Remove changes that nobody can undo any more: a few at a time, so that nobody waits for what others have left.
delete from oms.changes
where id in (
    select id from oms.changes
    where undo_until < oms.now() - make_interval(secs => %(keep)s::float8)
    order by undo_until limit 10
    for update skip locked
)
