-- Take the lease of a daemon as it was seen; nothing where anybody has taken or renewed it since.
insert into oms.leaders as lease (duty, holder, host, pid, backend_pid, expires_at)
values (
    %(daemon)s::text, %(holder)s::text, %(host)s::text, %(pid)s::int, %(backend_pid)s::int,
    clock_timestamp() + make_interval(secs => %(seconds)s::float8)
)
on conflict (duty) do update set
    holder = excluded.holder, host = excluded.host, pid = excluded.pid, backend_pid = excluded.backend_pid,
    term = lease.term + 1, renewals = 0,
    since = clock_timestamp(), renewed_at = clock_timestamp(), expires_at = excluded.expires_at
where (lease.term, lease.renewals) = (%(term)s::bigint, %(renewals)s::bigint)
returning term
