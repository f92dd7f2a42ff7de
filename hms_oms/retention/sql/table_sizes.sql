-- How large each table of these schemas is, as the file system and the statistics have it: no table is read.
select
    namespace.nspname as schema,
    class.relname as "table",
    coalesce(nullif(stat.n_live_tup, 0), greatest(class.reltuples, 0)::bigint) as rows,
    pg_table_size(class.oid) - coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) as heap,
    pg_indexes_size(class.oid) as indexes,
    coalesce(pg_total_relation_size(nullif(class.reltoastrelid, 0)), 0) as toast,
    coalesce(stat.n_dead_tup, 0) as dead,
    greatest(stat.last_vacuum, stat.last_autovacuum) as vacuumed_at
from pg_class as class
join pg_namespace as namespace on namespace.oid = class.relnamespace
left join pg_stat_user_tables as stat on stat.relid = class.oid
where class.relkind = 'r' and namespace.nspname = any(%(schemas)s::text[])
order by pg_total_relation_size(class.oid) desc, namespace.nspname, class.relname
