-- End the transactions of workers that are not heard any more: what they hold locked keeps others waiting. Anyone who
-- was only slow finds its connection gone, and its step is another attempt's by then.
select pg_terminate_backend(backend.pid) as ended, worker.name as worker
from pg_stat_activity as backend
join oms.workers as worker
    on left(md5(worker.id), 8) = substring(backend.application_name from '^hms [a-z]+ ([0-9a-f]{8}) ')
where worker.beat_at < oms.now() - make_interval(secs => %(gone)s::float8)
    and backend.datname = current_database()
    -- Workers may have a role of their own; the dispatcher's then includes it (`hms db grants dispatcher`).
    and pg_has_role(backend.usesysid, 'usage')
    -- At a pooler a session bears the name of the last one that it was lent to.
    and backend.xact_start is not null
