-- Remove all attempts of the texts of jobs but the last, which says who took the text.
with attempts as (
    delete from oms.message_attempts as attempt
    using oms.messages as message
    where message.job_id = any(%(jobs)s::bigint[])
        and attempt.message_id = message.id and attempt.number < message.attempts
    returning attempt.message_id
)
select count(*)::int as attempts from attempts
