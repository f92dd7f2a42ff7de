-- Take over the texts whose taker has let its lease run out, and tell at whom its attempt is
-- still open, if it is.
with ended as (
    select id
    from oms.messages
    where state = 'sending' and lease_until <= oms.now()
    order by lease_until
    limit %(count)s::int
    for update skip locked
)
update oms.messages as message
set fence = message.fence + 1, lease_until = oms.now() + make_interval(secs => %(lease)s::float8)
from ended
where message.id = ended.id
returning message.id, message.fence, message.tries, (
    select attempt.sender
    from oms.message_attempts as attempt
    where attempt.message_id = message.id
        and attempt.number = message.attempts
        and attempt.finished_at is null
) as open_at
