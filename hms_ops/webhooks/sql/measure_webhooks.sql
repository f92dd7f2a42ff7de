-- The webhooks that take no events: since when, and what was given up within a day.
select webhook.name, webhook.failing_since, webhook.fault, webhook.paused_by = 'its receiver' as gone, given_up.number as given_up
from ops.webhooks as webhook
cross join lateral (
    select count(*)::int as number
    from ops.webhook_deliveries as delivery
    where delivery.webhook_id = webhook.id and delivery.state = 'failed'
        and delivery.finished_at > %(now)s::timestamptz - interval '1 day'
) as given_up
where webhook.removed_at is null
    and (
        (webhook.failing_since is not null and webhook.paused_at is null)
        or webhook.paused_by = 'its receiver'
        or given_up.number > 0
    )
order by webhook.name
