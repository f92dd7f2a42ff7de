-- When the jobs of a queue end if nothing changes: after the work that is served before theirs, spread over its slots. At
-- risk is what has its deadline ahead, and was given up or ends after it. An end is null if nobody can tell it, or if no
-- slot is there. Jobs of agents, and those that wait for another thing than their time or their turn, are left out.
-- Moments are seconds since 1970, with which is quickly reckoned. All in one row: a column of each is read at once.
with line as (
    select id, case when part is not null then parent_id end as whole, sla, cell, 0 as side, 0 as band, 0 as rank,
        dispatched_at as turn, due,
        case when status = 'running' then date_part('epoch', since) end as runs_since, null::float8 as ready_at
    from oms.jobs
    where queue = %(queue)s::text and dispatched_at is not null and finished_at is null
        and ready_at is null and not agent
    union all
    select id, case when part is not null then parent_id end, sla, cell, 1, band, -priority, null, due, null, null
    from oms.jobs
    where queue = %(queue)s::text and not agent and band in (0, 1)
        and dispatched_at is null and finished_at is null and ready_at is null
    union all
    select id, case when part is not null then parent_id end, sla, cell, 2, 0, 0, null, ready_at, null,
        date_part('epoch', ready_at)
    from oms.jobs
    where queue = %(queue)s::text and not agent and event is null
        and finished_at is null and ready_at > oms.now() and ready_at < oms.held_back()
),
measured as (
    select line.*, date_part('epoch', oms.now()) as now,
        coalesce(estimate.mean, %(mean)s::float8) as mean,
        -- What has not started costs a slot the time between two starts at least, under a limit of starts.
        case when side = 0 then 0 else %(spacing)s::float8 end as least_cost
    from line
    left join oms.work_estimates as estimate on estimate.cell = line.cell
),
placed as (
    select *,
        coalesce(sum(greatest(least_cost, mean - coalesce(now - runs_since, 0))) over (
            order by side, band, rank, turn, due, id
            rows between unbounded preceding and 1 preceding
        ), 0) as before
    from measured
),
ends as (
    select id, whole, band, now, date_part('epoch', sla) as deadline,
        case
            when mean is null then null
            when runs_since is not null then greatest(now, runs_since + mean)
            when %(slots)s::int > 0 then
                greatest(
                    ready_at,
                    %(begins)s::float8 + case when side < 2 then before / %(slots)s::int else 0 end
                ) + mean
        end as ends_at
    from placed
)
select
    coalesce(array_agg(id), '{}') as jobs,
    coalesce(array_agg(ends_at), '{}') as ends,
    coalesce(array_agg(deadline), '{}') as deadlines,
    coalesce(array_agg(
        deadline >= now and (band = 1 or %(slots)s::int = 0 or coalesce(ends_at > deadline, false))
    ), '{}') as at_risk,
    coalesce(array_agg(id) filter (where whole is not null), '{}') as parts,
    coalesce(array_agg(whole) filter (where whole is not null), '{}') as wholes
from ends
