-- Remove the texts of jobs that have ended.
with removable as (
    select job.id
    from oms.jobs as job
    where job.id = any(%(jobs)s::bigint[])
        and job.finished_at < %(before)s::timestamptz
        and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
    order by job.id
    for update of job skip locked
),
texts as (
    select message.id from oms.messages as message join removable on removable.id = message.job_id
),
attempts as (
    delete from oms.message_attempts where message_id in (select id from texts) returning message_id
),
messages as (
    delete from oms.messages where id in (select id from texts) returning id
)
select (select count(*) from messages)::int as messages, (select count(*) from attempts)::int as attempts
