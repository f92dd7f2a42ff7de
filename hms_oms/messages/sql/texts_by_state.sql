-- The texts to applicants of a cycle, or since a moment, by what became of them; one that was merged into
-- another shares its fate. Handed over means: the provider has it, and has not said that it failed. What the
-- local handset has taken was only logged.
select
    count(*)::int as written,
    count(*) filter (where fate in ('pending', 'sending', 'unknown'))::int as waiting,
    count(*) filter (where fate in ('accepted', 'sent', 'delivered', 'unconfirmed') and not local)::int
        as handed_over,
    count(*) filter (where fate = 'delivered' and not local)::int as delivered,
    count(*) filter (where fate = 'delivered' and local)::int as logged,
    count(*) filter (where fate in ('failed', 'undelivered'))::int as failed,
    count(*) filter (where fate in ('cancelled', 'expired'))::int as withdrawn,
    max(created_at) as last_at
from (
    select
        coalesce(carrier.state, message.state) as fate,
        message.created_at,
        coalesce(attempt.sender, '') = 'log' as local
    from oms.messages as message
    left join oms.messages as carrier on carrier.id = message.merged_into
    left join oms.message_attempts as attempt
        on attempt.message_id = coalesce(carrier.id, message.id)
        and attempt.number = coalesce(carrier.attempts, message.attempts)
    where not message.page
        and (%(batch)s::bigint is null or message.job_id in (
            select id from oms.jobs where batch_id = %(batch)s::bigint
            union all
            select part.id
            from oms.jobs as job
            join oms.jobs as part on part.parent_id = job.id and part.part is not null
            where job.batch_id = %(batch)s::bigint
        ))
        and (%(since)s::timestamptz is null or message.created_at >= %(since)s::timestamptz)
) as text
