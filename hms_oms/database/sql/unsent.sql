-- Texts that could have left the outbox and have not, and since when none of them could. A page that its
-- phone's throttle holds back is not among them. Texts to applicants have a rate: as long as some go, the
-- others do not stand still.
with waiting as (
    select page, case tries when 0 then due_at else not_before end as since
    from oms.messages
    where state = 'pending' and (tries > 0 or due_at <= oms.now())
    union all
    select page, not_before from oms.messages where state = 'sending'
    union all
    select page, not_before from oms.messages where state = 'unknown'
),
moving as (
    select attempt.started_at as at
    from oms.message_attempts as attempt
    join oms.messages as message on message.id = attempt.message_id
    where not message.page and attempt.outcome in ('accepted', 'sent', 'delivered')
    order by attempt.message_id desc, attempt.number desc
    limit 1
)
select
    count(*) as number,
    least(
        min(since) filter (where page),
        greatest(min(since) filter (where not page), (
            select at from moving where exists (select from waiting where not page)
        ))
    ) as since
from waiting
