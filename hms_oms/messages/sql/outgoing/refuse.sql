-- Texts that cannot be sent at all, and why: no attempt is made.
update oms.messages as message
set
    state = 'failed', fault = refused.fault, since = oms.now(), finished_at = oms.now(),
    fence = message.fence + 1
from unnest(%(messages)s::bigint[], %(fences)s::bigint[], %(faults)s::text[]) as refused (id, fence, fault)
where message.id = refused.id and message.fence = refused.fence and message.state = 'pending'
returning message.id
