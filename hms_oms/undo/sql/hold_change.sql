-- Lock a change, so that it is undone once.
select from oms.changes where id = %(change)s for update
