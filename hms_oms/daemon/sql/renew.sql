-- Renew a lease; nothing where another process has taken it.
update oms.leaders
set renewals = renewals + 1,
    renewed_at = clock_timestamp(),
    expires_at = clock_timestamp() + make_interval(secs => %(seconds)s::float8),
    backend_pid = %(backend_pid)s::int
where duty = %(daemon)s::text and term = %(term)s::bigint
returning term
