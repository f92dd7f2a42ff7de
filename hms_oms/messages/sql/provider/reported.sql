-- What the provider says of an attempt, whenever it says so: a status only ever moves up, for the attempt
-- and for its text. Of an attempt that another one has followed, only the arrival counts.
with before as (
    select id, state, attempts, renewals, expires_at, cancelled_at
    from oms.messages
    where id = %(message)s::bigint
    for update
),
attempt as (
    update oms.message_attempts as attempt
    set
        outcome = %(status)s::text,
        code = coalesce(%(code)s::text, attempt.code),
        sid = coalesce(attempt.sid, %(sid)s::text),
        finished_at = coalesce(attempt.finished_at, oms.now())
    from before
    where attempt.message_id = before.id
        and attempt.number = %(attempt)s::int
        and coalesce(attempt.outcome, 'open') = any(%(below)s::text[])
    returning attempt.number
),
next as (
    select
        before.id,
        before.state as was,
        case
            -- A fault of the carrier that passes: sent again, while anybody wants it.
            when %(renew)s::boolean
                and before.renewals < %(renewals)s::int
                and before.cancelled_at is null
                and coalesce(before.expires_at > oms.now(), true)
            then 'pending'
            else %(status)s::text
        end as state
    from before
    join attempt on attempt.number = before.attempts or %(status)s::text = 'delivered'
    where before.state = any(%(below)s::text[])
)
update oms.messages as message
set
    state = next.state,
    lease_until = null,
    merged_into = null,
    sid = coalesce(%(sid)s::text, message.sid),
    since = case when next.was in ('accepted', 'sent') and next.state = 'sent' then message.since
        else oms.now() end,
    due_at = oms.now() + make_interval(secs => %(delay)s::float8),
    polls = case when next.was in ('accepted', 'sent') then message.polls else 0 end,
    tries = 0,
    renewals = message.renewals + (next.state = 'pending')::int,
    fault = %(fault)s::text,
    finished_at = case when next.state = any(%(ended)s::text[]) then oms.now() end
from next
where message.id = next.id
returning message.id, next.was, message.state
