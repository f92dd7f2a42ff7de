-- Nobody wants the pages of this incident any more: those not handed over are cancelled. One that is to be
-- sent once more may have arrived; it goes only if it carries others.
with wanted as (
    select id
    from oms.messages
    where incident_id = %(incident)s::bigint
        and page
        and cancelled_at is null
        and state in ('pending', 'sending', 'unknown', 'accepted', 'sent', 'merged')
    -- In the order in which a sender takes them.
    order by id
    for update
),
gone as (
    update oms.messages as message
    set
        cancelled_at = oms.now(),
        state = case
            when message.state <> 'pending' or message.carried is not null then message.state
            when message.renewals > 0 then 'undelivered'
            when message.handed_over then 'unconfirmed'
            else 'cancelled'
        end,
        finished_at = case
            when message.state = 'pending' and message.carried is null then oms.now()
            else message.finished_at
        end
    from wanted
    where message.id = wanted.id
    returning message.state
)
select count(*) filter (where state = 'cancelled') as number from gone
