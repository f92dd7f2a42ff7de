-- The database's clock has jumped: leases are lengths of time, and keep what is left of them.
update oms.jobs
set lease_until = lease_until + make_interval(secs => %(seconds)s::float8)
where dispatched_at is not null and finished_at is null and status = 'running' and lease_until is not null
returning id
