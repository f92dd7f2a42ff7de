-- A worker says that it is there, what it can do and which tickets it holds.
insert into oms.workers as worker (
    name, host, pid, pool, slots, queues, steps, tickets, cpu_percent, rss_bytes
)
values (
    %(name)s::text, %(host)s::text, %(pid)s::int, %(pool)s::text, %(slots)s::int, %(queues)s::text[],
    %(steps)s::text[], %(tickets)s::text[], %(cpu_percent)s::float8, %(rss_bytes)s::bigint
)
on conflict (name) do update set
    host = excluded.host, pid = excluded.pid, pool = excluded.pool, slots = excluded.slots,
    queues = excluded.queues, steps = excluded.steps, tickets = excluded.tickets,
    cpu_percent = excluded.cpu_percent, rss_bytes = excluded.rss_bytes,
    -- The same name under another pid is another process.
    started_at = case when worker.pid = excluded.pid then worker.started_at else oms.now() end,
    beat_at = oms.now()
returning beat_at
