-- Release the events whose sender is gone: nobody can tell whether they have arrived, so they go again, with their id.
with lost as (
    select id, attempts
    from ops.webhook_deliveries
    where state = 'sending' and lease_until < oms.now()
    order by id
    for update skip locked
),
attempted as (
    update ops.webhook_attempts as attempt
    set finished_at = oms.now(), outcome = 'unknown', fault = 'its sender is gone'
    from lost
    where attempt.delivery_id = lost.id and attempt.number = lost.attempts and attempt.finished_at is null
)
update ops.webhook_deliveries as delivery
set state = 'pending', due_at = oms.now(), lease_until = null
from lost
where delivery.id = lost.id
returning delivery.id
