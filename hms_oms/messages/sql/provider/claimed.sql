-- Which of these sids are spoken for: by other texts, or by attempts of this one that are known to have failed.
select sid
from oms.message_attempts
where sid = any(%(sids)s::text[])
    and (message_id <> %(message)s::bigint or outcome in ('undelivered', 'failed'))
