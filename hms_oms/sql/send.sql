-- Take texts out of the outbox, each with a line for the attempt that is about to be made.
with front as (
    select id
    from oms.messages
    where state in ('pending', 'sending')
    order by id
    limit %(count)s::int
    for update skip locked
),
taken as (
    update oms.messages as message
    set state = 'sending'
    from front
    where message.id = front.id
    returning message.id, message.token, message.recipient, message.body
),
attempts as (
    insert into oms.message_attempts (message_id, number, sender)
    select
        id,
        1 + (select count(*) from oms.message_attempts as earlier where earlier.message_id = taken.id),
        %(sender)s::text
    from taken
    -- One that is still open stands for the tries after it, too: a sender that cannot send tries for hours.
    where not exists (
        select from oms.message_attempts as open
        where open.message_id = taken.id and open.finished_at is null
    )
)
select id, token, recipient, body from taken order by id
