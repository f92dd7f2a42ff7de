-- Let delayed jobs whose time has come into the backlog. What waits for an event is not delayed (take_up_waits.sql).
with due as (
    select id
    from oms.jobs
    where finished_at is null and ready_at <= oms.now() and event is null
    order by ready_at
    limit 5000
    for update skip locked
),
woken as (
    update oms.jobs as job
    -- What it waits for from here on is its turn.
    set ready_at = case when job.limit_key is not null then oms.held_back() end, since = oms.now()
    from due where job.id = due.id returning job.id
)
select
    (select count(*) from woken)::int as woken,
    (
        select extract(epoch from min(ready_at) - oms.now())::float8
        from oms.jobs
        where finished_at is null and ready_at > oms.now() and ready_at < oms.parts_pending()
    ) as next_in
