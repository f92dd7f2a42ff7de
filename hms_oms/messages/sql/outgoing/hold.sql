-- Pages that their phone's throttle holds back are looked at again when it lets one more through.
with held as (
    select message.id, held.until
    from unnest(%(messages)s::bigint[], %(untils)s::timestamptz[]) as held (id, until)
    join oms.messages as message on message.id = held.id
    where message.state = 'pending' and message.due_at < held.until
    -- In one order everywhere: anyone who takes pages back does it in this one, too.
    order by message.id
    for update of message
)
update oms.messages as message
set due_at = held.until
from held
where message.id = held.id
returning message.id
