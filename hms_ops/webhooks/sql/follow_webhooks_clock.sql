-- The database's clock was set back, by so many seconds, or, with 0, perhaps while nobody looked: no event, and no
-- webhook, waits for longer than it was to.
with left_alone as (
    update ops.webhooks
    set not_before = greatest(
        case when %(seconds)s::float8 > 0 then not_before - make_interval(secs => %(seconds)s::float8) end, oms.now()
    )
    where not_before > oms.now()
        -- After a success none is left alone, and none for so long.
        and (%(seconds)s::float8 > 0 or failures = 0 or not_before > oms.now() + make_interval(secs => %(longest)s::float8))
),
ahead as (
    select delivery.id, greatest(
        make_interval(secs => %(seconds)s::float8),
        -- It was due at once, or some time after its last attempt had ended.
        case when delivery.attempts = 0 then delivery.due_at - oms.now() else (
            select attempt.finished_at - oms.now()
            from ops.webhook_attempts as attempt
            where attempt.delivery_id = delivery.id and attempt.number = delivery.attempts
        ) end
    ) as seconds
    from ops.webhook_deliveries as delivery
    where (delivery.state = 'pending' and delivery.due_at > oms.now())
        or (delivery.state = 'sending' and delivery.lease_until > oms.now() + make_interval(secs => %(lease)s::float8))
    order by delivery.id
    for update of delivery
)
update ops.webhook_deliveries as delivery
set due_at = case when delivery.state = 'pending' then delivery.due_at - ahead.seconds else delivery.due_at end,
    lease_until = case
        when delivery.state = 'sending'
        then least(delivery.lease_until, oms.now() + make_interval(secs => %(lease)s::float8))
    end
from ahead
where delivery.id = ahead.id and (delivery.state = 'sending' or ahead.seconds > interval '0')
returning delivery.id
