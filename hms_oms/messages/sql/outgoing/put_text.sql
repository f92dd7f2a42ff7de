-- Put a text that is no page into the outbox; a token is one text, ever. A job that is older than a restore of
-- the ledger may have sent it after the backup was made: then the provider is asked for it first, as for a text
-- whose answer was lost, and if it is not there, it goes with the label of one that may have come before.
with doubt as (
    select job.created_at as since
    from oms.jobs as job
    where job.id = %(job)s::bigint
        and exists (select from oms.restores as restore where restore.restored_at > job.created_at)
),
put as (
    insert into oms.messages (token, job_id, kind, recipient, body, state, attempts, handed_over)
    select
        %(token)s::text, %(job)s::bigint, %(kind)s::text, %(recipient)s::text, %(body)s::text,
        case when doubt.since is null then 'pending' else 'unknown' end,
        (doubt.since is not null)::int, doubt.since is not null
    from (select) as always
    left join doubt on true
    on conflict (token) do nothing
    returning id, state
),
attempted as (
    insert into oms.message_attempts (message_id, number, sender, started_at, finished_at, outcome)
    select put.id, 1, 'before the restore', doubt.since, oms.now(), 'unknown'
    from put
    cross join doubt
)
select id from put
