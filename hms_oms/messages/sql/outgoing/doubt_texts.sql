-- After a restore: what had not left the outbox when the backup was made may have left it since. Texts to
-- applicants are asked for at the provider, as if their answer had been lost. Pages cannot wait for that: they
-- go, with the label of one that may have come before.
with doubtful as (
    select id, page, state, attempts, attempts + (tries = 0 and not page)::int as number, created_at
    from oms.messages
    where state in ('pending', 'sending')
    order by id
    for update
),
attempted as (
    insert into oms.message_attempts as attempt (message_id, number, sender, started_at, finished_at, outcome)
    select id, number, 'before the restore', created_at, oms.now(), 'unknown'
    from doubtful
    where number > 0 and (state = 'sending' or not page)
    on conflict (message_id, number) do update set finished_at = oms.now(), outcome = 'unknown'
),
moved as (
    update oms.messages as message
    set
        state = case when doubtful.page then 'pending' else 'unknown' end,
        resend = message.resend or doubtful.page,
        attempts = doubtful.number,
        tries = 0,
        polls = 0,
        handed_over = true,
        lease_until = null,
        fence = message.fence + 1,
        since = oms.now(),
        not_before = case when doubtful.page then message.not_before else oms.now() end,
        due_at = case when doubtful.page then message.due_at else oms.now() end
    from doubtful
    where message.id = doubtful.id
    returning message.page
)
select
    count(*) filter (where not page) as texts,
    count(*) filter (where page) as pages
from moved
