-- A worker says that it is there, what it can do and which tickets it holds.
insert into oms.workers (
    id, name, host, pid, backend_pid, pool, slots, queues, steps, tickets, cpu_percent, rss_bytes
)
values (
    %(id)s::text, %(name)s::text, %(host)s::text, %(pid)s::int, pg_backend_pid(), %(pool)s::text, %(slots)s::int, %(queues)s::text[],
    %(steps)s::text[], %(tickets)s::text[], %(cpu_percent)s::float8, %(rss_bytes)s::bigint
)
on conflict (id) do update set
    backend_pid = excluded.backend_pid,
    slots = excluded.slots, queues = excluded.queues, tickets = excluded.tickets,
    cpu_percent = excluded.cpu_percent, rss_bytes = excluded.rss_bytes, beat_at = oms.now()
returning beat_at
