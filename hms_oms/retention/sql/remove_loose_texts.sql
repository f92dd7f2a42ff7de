-- Remove the oldest texts that people have written to others than those on call, about no job.
with removable as (
    select id
    from oms.messages
    where job_id is null and not page and finished_at < %(before)s::timestamptz
    order by id
    limit %(limit)s::int
    for update skip locked
),
attempts as (
    delete from oms.message_attempts where message_id in (select id from removable)
),
removed as (
    delete from oms.messages where id in (select id from removable) returning id
)
select count(*)::int as messages from removed
