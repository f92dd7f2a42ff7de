-- Jobs of a queue at some places of its line, of which the last one is asked for by itself: it is read from the end.
with front as (
    select id, part, sla, priority, row_number() over (order by band, -priority, due, id) as place
    from (
        select id, part, sla, priority, band, due
        from oms.jobs
        where queue = %(queue)s::text and not agent and band = 0
            and dispatched_at is null and finished_at is null and ready_at is null
        order by band, -priority, due, id
        limit %(most)s::int
    ) as first
),
last as (
    select id, part, sla, priority
    from oms.jobs
    where queue = %(queue)s::text and not agent and band = 0
        and dispatched_at is null and finished_at is null and ready_at is null
    order by band desc, -priority desc, due desc, id desc
    limit 1
)
select id, sla as deadline, priority, place, false as is_last
from front
where part is null and place = any(%(places)s::int[])
union all
select id, sla, priority, null, true from last where part is null
