-- The newest value of each metric: written when it has changed, and when it would be taken for stale.
insert into ops.metrics (name, queue, subject, value, source, at)
select *
from unnest(
    %(names)s::text[], %(queues)s::text[], %(subjects)s::text[], %(values)s::float8[], %(sources)s::text[],
    %(moments)s::timestamptz[]
) as metric (name, queue, subject, value, source, at)
-- In one order, so that two who publish at once cannot stand in each other's way.
order by name, queue, subject
on conflict (name, queue, subject) do update
set value = excluded.value, source = excluded.source, at = excluded.at
where excluded.at >= metrics.at + %(least)s::float8 * interval '1 second'
    and (
        excluded.value is distinct from metrics.value
        or excluded.source <> metrics.source
        or excluded.at >= metrics.at + %(renew)s::float8 * interval '1 second'
    )
