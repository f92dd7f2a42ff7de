-- How the lease of a daemon stands. It is vacant when it has run out or was given back, and as soon as the session
-- that renews it is gone: that of a killed process ends at once.
select
    term,
    renewals,
    expires_at <= clock_timestamp()
        or (
            backend_pid is not null
            and not exists (select from pg_stat_activity as backend where backend.pid = backend_pid)
        ) as vacant
from oms.leaders
where duty = %(daemon)s::text
