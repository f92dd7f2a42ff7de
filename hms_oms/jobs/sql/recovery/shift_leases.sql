-- The database's clock has jumped: leases are lengths of time, and keep what is left of them. So do starts that count
-- for a minute.
with watched as (
    -- Heartbeats from before tell nothing.
    update oms.leaders set watched_since = clock_timestamp()
),
started as (
    update oms.limited_starts set at = at + make_interval(secs => %(seconds)s::float8)
)
update oms.jobs
set lease_until = lease_until + make_interval(secs => %(seconds)s::float8)
where dispatched_at is not null and finished_at is null and status = 'running' and lease_until is not null
returning id
