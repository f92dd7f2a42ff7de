-- When open jobs end if nothing changes: after the work that is served before theirs, spread over the slots of their queue.
-- Tell of some `jobs`, or of all that are at risk: their deadline is ahead, and they were given up or end after it. An
-- end is null if nobody can tell it, or if no slot is there. Jobs of agents, and those that wait for another thing than
-- their time or their turn, are left out. Moments are seconds since 1970, with which is quickly reckoned.
with workforce as materialized (
    select *, date_part('epoch', oms.now()) as now
    from unnest(
        %(queues)s::text[], %(slots)s::int[], %(begins)s::float8[], %(means)s::float8[], %(spacings)s::float8[]
    ) with ordinality as workforce (queue, slots, begins_at, mean, spacing, number)
),
line as (
    select id, queue, sla, cell, 0 as side, 0 as band, 0 as rank, dispatched_at as turn, due,
        case when status = 'running' then date_part('epoch', since) end as runs_since, null::float8 as ready_at
    from oms.jobs
    where queue = any(%(queues)s::text[]) and dispatched_at is not null and finished_at is null
        and ready_at is null and not agent
    union all
    select id, queue, sla, cell, 1, band, -priority, null, due, null, null
    from oms.jobs
    where queue = any(%(queues)s::text[]) and not agent and band in (0, 1)
        and dispatched_at is null and finished_at is null and ready_at is null
    union all
    select id, queue, sla, cell, 2, 0, 0, null, ready_at, null, date_part('epoch', ready_at)
    from oms.jobs
    where queue = any(%(queues)s::text[]) and not agent and event is null
        and finished_at is null and ready_at > oms.now() and ready_at < oms.held_back()
),
measured as (
    select line.*, workforce.number, workforce.slots, workforce.begins_at, workforce.now,
        coalesce(estimate.mean, workforce.mean) as mean,
        -- What has not started costs a slot the time between two starts at least, under a limit of starts.
        case when side = 0 then 0 else workforce.spacing end as least_cost
    from line
    join workforce on workforce.queue = line.queue
    left join oms.work_estimates as estimate on estimate.cell = line.cell
),
placed as (
    select *,
        coalesce(sum(greatest(least_cost, mean - coalesce(now - runs_since, 0))) over (
            partition by number order by side, band, rank, turn, due, id
            rows between unbounded preceding and 1 preceding
        ), 0) as before
    from measured
),
ends as (
    select id, queue, sla, band, slots, now,
        case
            when mean is null then null
            when runs_since is not null then greatest(now, runs_since + mean)
            when slots > 0 then greatest(ready_at, begins_at + case when side < 2 then before / slots end) + mean
        end as ends_at
    from placed
),
judged as (
    select id, queue, sla, ends_at,
        sla >= to_timestamp(now)
            and (band = 1 or slots = 0 or coalesce(ends_at > date_part('epoch', sla), false)) as at_risk
    from ends
)
-- A job ends no sooner than the parts of its step.
select whole as id, min(queue) as queue, min(sla) as sla,
    case when bool_and(ends_at is not null) then to_timestamp(max(ends_at)) end as ends_at,
    bool_or(at_risk) as at_risk
from (
    select judged.*,
        case when judged.id = any(%(jobs)s::bigint[]) then judged.id else coalesce(part.parent_id, judged.id) end as whole
    from judged
    left join oms.jobs as part on part.id = judged.id and part.part is not null
    where case
        when %(jobs)s::bigint[] is null then at_risk
        else judged.id = any(%(jobs)s::bigint[]) or judged.id in (
            select id from oms.jobs where parent_id = any(%(jobs)s::bigint[]) and part is not null
        )
    end
) as told
group by whole
