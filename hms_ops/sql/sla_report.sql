-- How the deadlines of a span were met, by queue, by day and in all: a row for each, with the counts.
-- A job counts where it ended. One that is open past its deadline counts now: earlier it cannot end.
with counted as (
    select
        queue, finished_at as at, sla, oms.kept(status, finished_at, sla, oms.now()) as kept,
        width_bucket(finished_at, %(midnights)s::timestamptz[]) as day
    from oms.jobs
    where finished_at >= %(since)s and finished_at < %(until)s and status <> 'cancelled' and part is null
        and (%(queue)s::text is null or queue = %(queue)s::text)
    union all
    select
        queue, oms.now(), sla, oms.kept(status, finished_at, sla, oms.now()),
        width_bucket(oms.now(), %(midnights)s::timestamptz[])
    from oms.jobs
    where finished_at is null and sla < oms.now() and part is null and held_at is null
        and oms.now() >= %(since)s and oms.now() < %(until)s
        and (%(queue)s::text is null or queue = %(queue)s::text)
),
-- One pass over the many; what follows reads a row for each queue and day, and the late ones.
cells as materialized (
    select
        queue, day,
        count(*) filter (where kept = 'on time') as on_time,
        count(*) filter (where kept = 'late') as late,
        count(*) filter (where kept = 'failed') as failed,
        count(*) filter (where kept = 'open late') as open_late,
        array_agg(extract(epoch from at - sla)::float8) filter (where at > sla) as seconds_late
    from counted
    group by queue, day
    union all
    -- Jobs that were removed: a quarter of an hour counts where it begins.
    select
        queue, width_bucket(quarter, %(midnights)s::timestamptz[]), on_time, late, failed, 0, nullif(seconds_late, '{}')
    from oms.job_sums
    -- A queue in which all were cancelled has nothing to report.
    where done + failed > 0 and quarter >= %(since)s and quarter < %(until)s
        and (%(queue)s::text is null or queue = %(queue)s::text)
),
sums as (
    select
        queue, day,
        coalesce(sum(on_time), 0)::int as on_time, coalesce(sum(late), 0)::int as late,
        coalesce(sum(failed), 0)::int as failed, coalesce(sum(open_late), 0)::int as open_late
    from cells
    group by grouping sets ((queue), (day), ())
),
lateness as (
    select queue, day, percentile_cont(array[0.5, 0.95]) within group (order by seconds) as percentiles
    from cells
    cross join lateral unnest(seconds_late) as seconds
    group by grouping sets ((queue), (day), ())
)
select sums.*, lateness.percentiles
from sums
left join lateness
    on lateness.queue is not distinct from sums.queue and lateness.day is not distinct from sums.day
order by sums.queue, sums.day
