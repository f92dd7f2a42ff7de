-- Remove events that ended long ago, with their attempts, some at a time.
delete from ops.webhook_deliveries
where id in (
    select id
    from ops.webhook_deliveries
    where finished_at < oms.now() - make_interval(days => %(days)s)
    limit %(most)s
    for update skip locked
)
