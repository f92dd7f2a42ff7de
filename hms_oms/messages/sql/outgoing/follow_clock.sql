-- The database's clock was set back, by so many seconds, or, with 0, perhaps while nobody looked. What was noted by the
-- clock that was ahead is as old as can be, which is now, and no text waits for longer than it was to. A time of the day
-- that a page waits for stays.
with stray as (
    select id
    from (
        select id from oms.messages where state = 'pending' and due_at > oms.now()
        union all
        select id from oms.messages where state = 'sending'
        union all
        select id from oms.messages where state in ('unknown', 'accepted', 'sent') and due_at > oms.now()
    ) as text
    -- In one order everywhere: anyone who takes pages back does it in this one, too.
    order by id
),
attempted as (
    update oms.message_attempts as attempt
    set started_at = oms.now(),
        finished_at = case when attempt.finished_at is not null then least(attempt.finished_at, oms.now()) end
    from oms.messages as message
    where attempt.message_id = message.id and attempt.started_at > oms.now()
        -- By those of a day the throttles of phones go.
        and (message.id in (select id from stray) or (message.page and message.created_at > oms.now() - interval '1 day'))
),
ahead as (
    select
        message.id,
        make_interval(secs => %(seconds)s::float8) as seconds,
        -- It was put to go at once.
        message.not_before <= message.created_at and message.not_before > oms.now() as goes_now
    from oms.messages as message
    join stray on stray.id = message.id
    where %(seconds)s::float8 > 0
        or message.since > oms.now()
        or message.lease_until > oms.now() + make_interval(secs => %(lease)s::float8)
    for update of message
)
update oms.messages as message
set
    since = least(message.since, oms.now()),
    lease_until = case
        when message.state = 'sending'
        then least(message.lease_until, oms.now() + make_interval(secs => %(lease)s::float8))
    end,
    not_before = case when ahead.goes_now then oms.now() else message.not_before end,
    due_at = case
        when ahead.goes_now or message.due_at > message.not_before then greatest(
            message.due_at - greatest(ahead.seconds, message.since - oms.now()),
            case when ahead.goes_now then oms.now() else message.not_before end
        )
        else message.due_at
    end
from ahead
where message.id = ahead.id
returning message.id
