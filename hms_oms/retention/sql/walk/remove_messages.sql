-- Remove the texts of jobs.
with texts as (
    select id from oms.messages where job_id = any(%(jobs)s::bigint[])
),
attempts as (
    delete from oms.message_attempts where message_id in (select id from texts) returning message_id
),
messages as (
    delete from oms.messages where id in (select id from texts) returning id
)
select (select count(*) from messages)::int as messages, (select count(*) from attempts)::int as attempts
