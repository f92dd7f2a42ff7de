-- Pages that their phone's throttle holds back are looked at again when it lets one more through.
update oms.messages as message
set due_at = held.until
from unnest(%(messages)s::bigint[], %(untils)s::timestamptz[]) as held (id, until)
where message.id = held.id and message.state = 'pending' and message.due_at < held.until
returning message.id
