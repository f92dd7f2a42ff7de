-- Take the lease of a daemon as it was seen; nothing where anybody has taken or renewed it since.
insert into oms.leaders as lease (duty, holder, host, pid, backend_pid, expires_at)
values (
    %(daemon)s::text, %(holder)s::text, %(host)s::text, %(pid)s::int, %(backend_pid)s::int,
    clock_timestamp() + make_interval(secs => %(seconds)s::float8)
)
on conflict (duty) do update set
    holder = excluded.holder, host = excluded.host, pid = excluded.pid, backend_pid = excluded.backend_pid,
    term = lease.term + 1, renewals = 0,
    -- The leader before has watched until a moment ago, and this server was there all the time.
    watched_since = case
        when lease.renewed_at between greatest(
            pg_postmaster_start_time(), clock_timestamp() - make_interval(secs => %(gap)s::float8)
        ) and clock_timestamp()
        then lease.watched_since
        else clock_timestamp()
    end,
    since = clock_timestamp(), renewed_at = clock_timestamp(), expires_at = excluded.expires_at
where (lease.term, lease.renewals) = (%(term)s::bigint, %(renewals)s::bigint)
returning term
