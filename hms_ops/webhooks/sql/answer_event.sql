-- Record how an attempt went, what follows for the event, and what it says of the webhook. What was taken by another
-- attempt meanwhile stays as it is, but that it has arrived is always good news.
with attempted as (
    update ops.webhook_attempts
    set finished_at = oms.now(), outcome = %(outcome)s::text, http_status = %(http_status)s::int, fault = %(fault)s::text
    where delivery_id = %(delivery)s::bigint and number = %(attempt)s::int and finished_at is null
),
moved as (
    update ops.webhook_deliveries
    set state = %(state)s::text,
        due_at = case when %(state)s::text = 'pending' then oms.now() + make_interval(secs => %(delay)s::float8) else due_at end,
        finished_at = case when %(state)s::text <> 'pending' then oms.now() end,
        fault = %(fault)s::text,
        lease_until = null
    where id = %(delivery)s::bigint and state = 'sending' and attempts = %(attempt)s::int
    returning webhook_id, state
)
update ops.webhooks as webhook
set failures = case when moved.state = 'delivered' then 0 else webhook.failures + 1 end,
    failing_since = case when moved.state <> 'delivered' then coalesce(webhook.failing_since, oms.now()) end,
    fault = case when moved.state = 'delivered' then null else %(fault)s::text end,
    not_before = oms.now() + make_interval(secs => %(alone)s::float8),
    paused_at = case when %(gone)s::boolean then coalesce(webhook.paused_at, oms.now()) else webhook.paused_at end,
    paused_by = case when %(gone)s::boolean then coalesce(webhook.paused_by, 'its receiver') else webhook.paused_by end,
    pause_reason = case
        when %(gone)s::boolean then coalesce(webhook.pause_reason, 'it answered 410 Gone') else webhook.pause_reason
    end
from moved
where webhook.id = moved.webhook_id
returning webhook.name, moved.state
