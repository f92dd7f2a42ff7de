-- The workers that are heard, by name.
select
    id, name, host, pid, pool, slots, slots_lost, queues, left_queues, steps, tickets, cpu_percent, rss_bytes,
    memory_percent, held_because, started_at, beat_at
from oms.workers
where beat_at > oms.now() - make_interval(secs => %(gone)s::float8)
order by name
