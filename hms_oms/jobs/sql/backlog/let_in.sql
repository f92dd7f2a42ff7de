-- Let jobs that wait for others with their key into the backlog, as many of each key as may be in flight beside those that
-- are in flight or let in already, and may start beside those that have started in the last minute: what is kept first,
-- then by priority, then what is due first.
with recursive waiting (key) as (
    (
        select limit_key from oms.jobs
        where finished_at is null and ready_at = oms.held_back()
        order by limit_key
        limit 1
    )
    union all
    select next.limit_key
    from waiting
    cross join lateral (
        select limit_key from oms.jobs
        where finished_at is null and ready_at = oms.held_back() and limit_key > waiting.key
        order by limit_key
        limit 1
    ) as next
),
free as (
    select waiting.key, room.number
    from waiting
    cross join lateral (
        select count(*)::int as number, (count(*) filter (where dispatched_at is null))::int as next from oms.jobs
        where limit_key = waiting.key and finished_at is null and ready_at is null
    ) as let_in
    cross join lateral (
        select limit_at_once, limit_starts from oms.jobs
        where finished_at is null and ready_at = oms.held_back() and limit_key = waiting.key
        order by band, -priority, due, id
        limit 1
    ) as first
    cross join lateral (
        select count(*)::int as number from oms.limited_starts
        where first.limit_starts is not null
            and limit_key = waiting.key and at > oms.now() - interval '1 minute'
    ) as started
    cross join lateral (
        -- A limit that nobody has set is null, and least() leaves it out.
        select least(first.limit_at_once - let_in.number, first.limit_starts - started.number - let_in.next) as number
    ) as room
    where room.number > 0
),
chosen as (
    select job.id
    from free
    cross join lateral (
        select id from oms.jobs
        where finished_at is null and ready_at = oms.held_back() and limit_key = free.key
        order by band, -priority, due, id
        limit free.number
        -- A row that somebody else holds is being changed: leave it to the next look.
        for update skip locked
    ) as job
),
let_in as (
    update oms.jobs as job set ready_at = null, since = oms.now() from chosen where job.id = chosen.id returning job.id
),
-- Starts of more than a minute ago count no more.
forgotten as (
    delete from oms.limited_starts as start
    using (
        select limit_key, turn from oms.limited_starts
        where at <= oms.now() - interval '1 minute'
        order by at
        limit 5000
        for update skip locked
    ) as old
    where start.limit_key = old.limit_key and start.turn = old.turn
)
select (select count(*)::int from let_in) as let_in, (select count(*)::int from waiting) as keys
