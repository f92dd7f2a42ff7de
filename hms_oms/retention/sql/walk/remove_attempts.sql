-- Remove all attempts of texts of ended jobs but the last, which says who took the text.
with removable as (
    select job.id
    from oms.jobs as job
    where job.id = any(%(jobs)s::bigint[])
        and job.finished_at < %(before)s::timestamptz
        and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
    order by job.id
    for update of job skip locked
),
attempts as (
    delete from oms.message_attempts as attempt
    using oms.messages as message, removable
    where message.job_id = removable.id and attempt.message_id = message.id and attempt.number < message.attempts
    returning attempt.message_id
)
select count(*)::int as attempts from attempts
