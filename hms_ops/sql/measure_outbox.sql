-- The texts that wait to be sent though they may go. One that its phone's throttle holds back may not go yet, and
-- applicants' texts that wait for their turn do not stand while others of them go. Each part by its index.
with moving as (
    select attempt.started_at as at
    from oms.message_attempts as attempt
    join oms.messages as message on message.id = attempt.message_id
    where not message.page and attempt.outcome is distinct from 'not sent'
    order by attempt.message_id desc
    limit 1
),
unsent as (
    select
        case
            when handed_over or tries > 0 then greatest(created_at, not_before)
            when page then greatest(created_at, due_at)
            else greatest(created_at, due_at, (select at from moving))
        end as since
    from oms.messages
    where state = 'pending' and not_before <= %(now)s::timestamptz
        and (handed_over or tries > 0 or due_at <= %(now)s::timestamptz)
    union all
    select greatest(created_at, not_before) from oms.messages where state = 'sending'
    union all
    select greatest(created_at, not_before) from oms.messages where state = 'unknown'
)
select count(*)::int as unsent, min(since) as since from unsent
