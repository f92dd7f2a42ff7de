-- Give up the events that could not be delivered in time, unless a person keeps them back.
with late as (
    select delivery.id
    from ops.webhooks as webhook
    cross join lateral (
        select id
        from ops.webhook_deliveries
        where webhook_id = webhook.id and state = 'pending' and give_up_at < oms.now()
        order by id
        limit 1000
        for update skip locked
    ) as delivery
    where webhook.removed_at is null and webhook.paused_at is null
)
update ops.webhook_deliveries as delivery
set state = 'failed', finished_at = oms.now(), fault = coalesce(delivery.fault, 'it could not be tried in time')
from late
where delivery.id = late.id
returning delivery.id
