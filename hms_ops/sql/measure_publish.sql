-- The newest value of each metric: written when it has changed, and when it would be taken for stale. The
-- values of a queue are written together or not at all, so that they are always those of one look: jobs that
-- will be late and jobs that are never count the same job twice, nor leave one out.
insert into ops.metrics (name, queue, subject, value, source, at)
select metric.*
from unnest(
    %(names)s::text[], %(queues)s::text[], %(subjects)s::text[], %(values)s::float8[], %(sources)s::text[],
    %(moments)s::timestamptz[]
) as metric (name, queue, subject, value, source, at)
left join (select queue, max(at) as at from ops.metrics group by queue) as shown using (queue)
where shown.at is null or %(now)s::timestamptz >= shown.at + %(least)s::float8 * interval '1 second'
-- In one order, so that two who publish at once cannot stand in each other's way.
order by metric.name, metric.queue, metric.subject
on conflict (name, queue, subject) do update
set value = excluded.value, source = excluded.source, at = excluded.at
where excluded.at >= metrics.at
    and (
        excluded.value is distinct from metrics.value
        or excluded.source <> metrics.source
        or excluded.at >= metrics.at + %(renew)s::float8 * interval '1 second'
    )
