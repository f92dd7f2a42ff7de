-- Take texts for a sender: each carrier with those that are merged into it, whole or not at all, and a line
-- for the attempt that is about to be made. Who was taken by someone else meanwhile has another fence.
with wanted as (
    select id, fence, carrier, carried
    from unnest(%(messages)s::bigint[], %(fences)s::bigint[], %(carriers)s::bigint[], %(carried)s::text[])
        as wanted (id, fence, carrier, carried)
),
-- Pages are locked, in one order everywhere. A text to an applicant goes by itself, and its change asks again.
pages as (
    select message.id, wanted.fence, wanted.carrier, wanted.carried
    from oms.messages as message
    join wanted on wanted.id = message.id
    where message.page and message.state = 'pending' and message.fence = wanted.fence
    order by message.id
    for update of message
),
locked as (
    select * from pages
    union all
    select wanted.*
    from wanted
    join oms.messages as message on message.id = wanted.id
    where not message.page and message.state = 'pending' and message.fence = wanted.fence
),
whole as (
    select wanted.carrier
    from wanted
    left join locked on locked.id = wanted.id
    group by wanted.carrier
    having count(*) = count(locked.id)
),
merged as (
    update oms.messages as message
    set
        state = 'merged', merged_into = locked.carrier, since = oms.now(), finished_at = oms.now(),
        fence = message.fence + 1
    from locked
    join whole on whole.carrier = locked.carrier
    where message.id = locked.id and locked.id <> locked.carrier
),
taken as (
    update oms.messages as message
    set
        state = 'sending',
        fence = message.fence + 1,
        lease_until = oms.now() + make_interval(secs => %(lease)s::float8),
        since = oms.now(),
        -- Since when it could go: however often it is tried, that stays.
        not_before = case message.tries when 0 then message.due_at else message.not_before end,
        attempts = message.attempts + (message.tries = 0)::int,
        tries = message.tries + 1,
        carried = case when message.handed_over then message.carried else locked.carried end
    from locked
    join whole on whole.carrier = locked.carrier
    where message.id = locked.id and locked.id = locked.carrier
        and message.state = 'pending' and message.fence = locked.fence
    returning message.*
),
attempts as (
    insert into oms.message_attempts (message_id, number, sender, fence)
    select id, attempts, %(sender)s::text, fence from taken
    on conflict (message_id, number) do update
    set
        sender = excluded.sender, fence = excluded.fence, started_at = oms.now(),
        finished_at = null, outcome = null, http_status = null, code = null
)
select
    id, fence, attempts as attempt, tries, token, page, kind, reference, recipient,
    coalesce(carried, body) as body, resend, null::text as sid
from taken
order by page desc, id
