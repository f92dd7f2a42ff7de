-- Texts have been handed over: close their open attempts and the texts themselves.
with closed as (
    update oms.message_attempts
    set finished_at = oms.now(), outcome = %(state)s::text
    where message_id = any(%(messages)s::bigint[]) and finished_at is null
)
update oms.messages
set state = %(state)s::text, finished_at = oms.now()
where id = any(%(messages)s::bigint[]) and state = 'sending'
returning id
