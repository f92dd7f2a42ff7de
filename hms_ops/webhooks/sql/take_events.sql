-- Take the events that are due, so many for each webhook, with a row for the attempt that is about to be made. The
-- number of the attempt is the fence: an answer to an earlier one changes nothing.
with room as (
    select * from unnest(%(webhooks)s::bigint[], %(rooms)s::int[]) as room (webhook, count)
),
due as (
    select delivery.id
    from room
    cross join lateral (
        select candidate.id
        from ops.webhook_deliveries as candidate
        where candidate.webhook_id = room.webhook and candidate.state = 'pending' and candidate.due_at <= oms.now()
        order by candidate.due_at, candidate.id
        limit room.count
        for update skip locked
    ) as delivery
),
taken as (
    update ops.webhook_deliveries as delivery
    set state = 'sending', attempts = delivery.attempts + 1, lease_until = oms.now() + make_interval(secs => %(lease)s)
    from due
    where delivery.id = due.id
    returning delivery.*
),
attempted as (
    insert into ops.webhook_attempts (delivery_id, number) select id, attempts from taken
)
select
    id, webhook_id as webhook, attempts as attempt, event_id, event, subject, at, data,
    extract(epoch from give_up_at - oms.now())::float8 as seconds_left
from taken
order by id
