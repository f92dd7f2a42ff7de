-- Forget keys of jobs that were removed long ago: asked again, each starts a job.
with forgettable as (
    select type, key
    from oms.known_keys
    where removed_at is not null and type = any(%(types)s::text[]) and finished_at < %(before)s::timestamptz
    limit %(limit)s::int
    for update skip locked
),
forgotten as (
    delete from oms.known_keys as known
    using forgettable
    where known.type = forgettable.type and known.key = forgettable.key
    returning known.key
)
select count(*)::int as keys from forgotten
