-- The texts to applicants that are next.
select
    message.id, message.fence, message.recipient, opted_out.phone is not null as opted_out
from oms.messages as message
left join oms.opt_outs as opted_out on opted_out.phone = message.recipient
where not message.page and message.state = 'pending' and message.due_at <= oms.now()
order by message.due_at, message.id
limit %(count)s::int
