-- How large each table of these schemas is, as the file system and the statistics have it: no table is read. What is in
-- parts counts as one.
select
    namespace.nspname as schema,
    class.relname as "table",
    parts.rows,
    parts.heap,
    parts.indexes,
    parts.toast,
    parts.dead,
    parts.vacuumed_at,
    parts.number as parts
from pg_class as class
join pg_namespace as namespace on namespace.oid = class.relnamespace
cross join lateral (
    select
        sum(coalesce(nullif(stat.n_live_tup, 0), greatest(part.reltuples, 0)::bigint))::bigint as rows,
        sum(pg_table_size(part.oid) - size.toast)::bigint as heap,
        sum(pg_indexes_size(part.oid))::bigint as indexes,
        sum(size.toast)::bigint as toast,
        sum(coalesce(stat.n_dead_tup, 0))::bigint as dead,
        max(greatest(stat.last_vacuum, stat.last_autovacuum)) as vacuumed_at,
        case class.relkind when 'p' then count(*)::int end as number
    from (
        select class.oid where class.relkind = 'r'
        union all
        select relid from pg_partition_tree(class.oid) where class.relkind = 'p' and isleaf
    ) as leaf (oid)
    join pg_class as part on part.oid = leaf.oid
    cross join lateral (
        select coalesce(pg_total_relation_size(nullif(part.reltoastrelid, 0)), 0) as toast
    ) as size
    left join pg_stat_user_tables as stat on stat.relid = part.oid
) as parts
where class.relkind in ('r', 'p') and not class.relispartition and namespace.nspname = any(%(schemas)s::text[])
order by parts.heap + parts.indexes + parts.toast desc, namespace.nspname, class.relname
