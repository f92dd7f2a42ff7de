-- A worker says that it is there, what it can do and which tickets it holds. The answer names the steps it runs
-- that the ledger has given up: what they report will be refused, so they may as well be ended.
with beat as (
    insert into oms.workers (
        id, name, host, pid, backend_pid, pool, slots, slots_lost, queues, left_queues,
        steps, tickets, tickets_at, cpu_percent, rss_bytes, memory_percent, held_because
    )
    values (
        %(id)s::text, %(name)s::text, %(host)s::text, %(pid)s::int, %(backend_pid)s::int, %(pool)s::text,
        %(slots)s::int, %(slots_lost)s::int, %(queues)s::text[], %(left_queues)s::text[], %(steps)s::text[],
        %(tickets)s::text[],
        oms.now() - make_interval(secs => %(tickets_age)s::float8), %(cpu_percent)s::float8, %(rss_bytes)s::bigint,
        %(memory_percent)s::float8, %(held_because)s::text
    )
    on conflict (id) do update set
        backend_pid = excluded.backend_pid,
        slots = excluded.slots, slots_lost = excluded.slots_lost,
        queues = excluded.queues, left_queues = excluded.left_queues,
        tickets = excluded.tickets, tickets_at = excluded.tickets_at,
        cpu_percent = excluded.cpu_percent, rss_bytes = excluded.rss_bytes,
        memory_percent = excluded.memory_percent, held_because = excluded.held_because, beat_at = oms.now()
    returning id
)
select begun as ticket
from unnest(%(begun)s::text[]) as begun
cross join beat
where not exists (
    select from oms.jobs as job
    where job.id = substring(begun from '^job-(\d+)')::bigint
        -- A step that has just been reported is not given up: its worker is about to learn of that.
        and starts_with(begun, format('job-%%s.%%s.', job.id, job.attempt))
        and job.status in ('queued', 'running')
)
