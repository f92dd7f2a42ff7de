-- When pages went to these phones lately: all that may have reached them.
select message.recipient, message.kind, attempt.started_at as at
from oms.messages as message
join oms.message_attempts as attempt on attempt.message_id = message.id
where message.page
    and message.recipient = any(%(phones)s::text[])
    -- A page is rarely a day old when it goes, and then its phone is not throttled by it.
    and message.created_at > oms.now() - interval '1 day'
    and attempt.started_at > oms.now() - make_interval(secs => %(seconds)s::float8)
    and attempt.outcome is distinct from 'not sent'
