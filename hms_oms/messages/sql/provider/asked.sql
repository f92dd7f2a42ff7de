-- Texts that the provider is to be asked about now: first those whose answer was lost, which may not have gone, then
-- arrivals not heard of.
with lost as (
    select id
    from oms.messages
    where state = 'unknown' and due_at <= oms.now() and page = %(page)s::boolean
    order by due_at, id
    limit %(count)s::int
    for update skip locked
),
unheard as (
    select id
    from oms.messages
    where state in ('unknown', 'accepted', 'sent') and state <> 'unknown'
        and due_at <= oms.now() and page = %(page)s::boolean
    order by due_at, id
    limit %(count)s::int - (select count(*) from lost)
    for update skip locked
),
due as (
    select id from lost union all select id from unheard
)
update oms.messages as message
set fence = message.fence + 1, due_at = oms.now() + make_interval(secs => %(lease)s::float8)
from due, oms.message_attempts as attempt
where message.id = due.id and attempt.message_id = message.id and attempt.number = message.attempts
returning
    message.id, message.fence, message.attempts as attempt, message.tries, message.token, message.page,
    message.kind, message.reference, message.recipient, coalesce(message.carried, message.body) as body,
    message.resend, case when message.state <> 'unknown' then message.sid end as sid, message.state,
    message.polls, attempt.started_at, attempt.http_status,
    extract(epoch from oms.now() - message.since)::float8 as age
