-- What follows from asking the provider: asked again, sent once more, or given up. Others may have moved the
-- text meanwhile: then nothing follows.
with before as (
    select
        message.id,
        message.fence,
        -- A text is also still to be sent if it carries another one that is.
        message.cancelled_at is null or exists (
            select from oms.messages as member
            where member.merged_into = message.id and member.cancelled_at is null
        ) as wanted
    from oms.messages as message
    where message.id = %(message)s::bigint
        and message.fence = %(fence)s::bigint
        and message.state = %(was)s::text
    for update of message
),
next as (
    select
        id,
        case
            when before.wanted then %(state)s::text
            -- Nobody needs it any more, and it may have arrived: there is nothing left to find out.
            when %(state)s::text in ('pending', 'failed') then 'unconfirmed'
            else %(state)s::text
        end as state
    from before
)
update oms.messages as message
set
    state = next.state,
    fence = message.fence + 1,
    since = case when next.state = message.state then message.since else oms.now() end,
    due_at = oms.now() + make_interval(secs => %(delay)s::float8),
    polls = %(polls)s::smallint,
    resend = message.resend or next.state = 'pending' and %(resend)s::boolean,
    fault = coalesce(%(fault)s::text, message.fault),
    finished_at = case when next.state = any(%(ended)s::text[]) then oms.now() end
from next
where message.id = next.id
returning message.id, message.state
