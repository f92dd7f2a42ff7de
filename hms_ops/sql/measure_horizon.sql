-- What keeps dead rows of this database from being removed, the oldest first: open transactions, prepared ones, and
-- standbys and replication slots that ask for old rows. Of those only the transactions say since when.
with holders as (
    select
        'transaction' as kind,
        pid::text as name,
        coalesce(nullif(application_name, ''), backend_type) as program,
        usename::text as owner,
        xact_start as since,
        -- What it reads, or what it writes, whichever is older.
        case when backend_xid is null or age(backend_xmin) > age(backend_xid) then backend_xmin else backend_xid end
            as horizon
    from pg_stat_activity
    where datname = current_database() and coalesce(backend_xmin, backend_xid) is not null
        and pid <> pg_backend_pid() and backend_type in ('client backend', 'parallel worker')
        -- It does not keep others of its kind from their work.
        and query !~* '^\s*vacuum'
    union all
    select 'prepared transaction', gid, null, owner::text, prepared, transaction
    from pg_prepared_xacts
    where database = current_database()
    union all
    select 'replication slot', slot_name::text, case when active then 'active' else 'inactive' end, null, null, xmin
    from pg_replication_slots
    where xmin is not null
    union all
    select 'standby', coalesce(nullif(application_name, ''), pid::text), host(client_addr), null, null, backend_xmin
    from pg_stat_replication
    where backend_xmin is not null
)
select kind, name, program, owner, since, horizon::text as horizon
from holders
where horizon is not null
order by age(horizon) desc, since
