-- The pages that wait for the phones, and for the channels, of those that are due, with what their queue is: they may
-- go together. Slow channels take no phone's turn.
select
    message.id, message.fence, message.kind, message.reference, message.recipient, message.body,
    message.incident_id as incident, message.handed_over, message.due_at, message.created_at,
    incident.queue, opted_out.phone is not null as opted_out, oms.now() as now
from oms.messages as message
left join ops.incidents as incident on incident.id = message.incident_id
left join oms.opt_outs as opted_out on opted_out.phone = message.recipient
where message.page
    and message.state = 'pending'
    and message.not_before <= oms.now()
    -- One that waits for its next try after a fault waits by itself.
    and (message.due_at <= oms.now() or message.tries = 0)
    and message.recipient in (
        (
            select recipient
            from oms.messages
            where page and state = 'pending' and due_at <= oms.now() and not starts_with(recipient, %(channel)s::text)
            order by due_at, id
            limit %(phones)s::int
        )
        union all
        (
            select recipient
            from oms.messages
            where page and state = 'pending' and due_at <= oms.now() and starts_with(recipient, %(channel)s::text)
            order by due_at, id
            limit %(channels)s::int
        )
    )
order by message.created_at, message.id
