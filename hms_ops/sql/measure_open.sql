-- The open jobs, read once and counted three ways: by queue; by queue, band, priority and how far the deadline is;
-- by queue and how long they have been waiting for their start. Distances and waits go into buckets that grow
-- with them, so that what comes back is short, however many jobs there are. Parts of a step are work that waits, and no
-- jobs that are late: theirs is.
with open as (
    select
        queue, status, priority, sla, since, part is not null as is_part,
        estimate.mean,
        -- Nine of ten of a normal distribution are below its mean and so many deviations.
        estimate.mean ^ 2 + (greatest(0, estimate.upper - estimate.mean) / 1.2815515655446004) ^ 2 as square,
        ready_at is not null as delayed,
        held_at is not null as held,
        -- What was given up is done after all others, until it is taken.
        case when status = 'waiting' then band else 0 end as band,
        -- In a queue by acceptance the oldest is served first, whatever its deadline.
        case
            when policy = 'fifo'
            then floor(-64 * ln(1 + greatest(0, date_part('epoch', %(now)s::timestamptz - created_at))))
            else 0
        end as turn,
        -- One that nobody has begun yet waits since it was accepted, or since it was allowed to start.
        case
            when started_at is null and status <> 'running' and ready_at is null
            then coalesce(clock_from, greatest(created_at, sla - sla_minutes * interval '1 minute'))
            when status = 'waiting' and ready_at is null then since
        end as waiting_from
    from oms.jobs
    join (select name as queue, policy from oms.queues) as served using (queue)
    left join oms.work_estimates as estimate using (cell)
    where finished_at is null
),
placed as (
    select
        *,
        case
            when waiting_from is not null
            then greatest(date_part('epoch', %(now)s::timestamptz - waiting_from), %(least)s::float8)
        end as age,
        case
            when sla < %(now)s::timestamptz then -1
            else floor(64 * ln(1 + date_part('epoch', sla - %(now)s::timestamptz)))
        end as due
    from open
),
-- Counted once in small cells, since to count many rows three times would mean to sort them.
cells as materialized (
    select
        queue, status, delayed, held, is_part, band, priority, turn, due,
        ceil(ln(age) / ln(%(gamma)s::float8))::int as place,
        count(*) as jobs,
        min(sla) as sla,
        min(since) as since,
        min(waiting_from) as waiting_from,
        sum(age) as ages,
        count(mean) as measured,
        sum(mean) as mean,
        sum(square) as square
    from placed
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)
select
    queue,
    place,
    band,
    grouping(priority, place) as counted,
    -- What is held has no deadline as long as its clock stands.
    coalesce(sum(jobs) filter (where not held), 0)::int as jobs,
    coalesce(sum(jobs) filter (where not held and not is_part), 0)::int as wholes,
    coalesce(sum(jobs) filter (where status = 'waiting' and not delayed), 0)::int as waiting,
    coalesce(sum(jobs) filter (where status = 'waiting' and delayed and not held), 0)::int as delayed,
    coalesce(sum(jobs) filter (where status = 'queued'), 0)::int as queued,
    coalesce(sum(jobs) filter (where status = 'running'), 0)::int as running,
    coalesce(sum(jobs) filter (where held), 0)::int as held,
    coalesce(sum(jobs) filter (where due < 0 and not held and not is_part), 0)::int as late,
    coalesce(sum(jobs) filter (where band = 1), 0)::int as given_up,
    min(sla) filter (where not held) as sla,
    min(waiting_from) filter (where status = 'waiting') as oldest_waiting,
    min(since) filter (where status = 'queued') as oldest_queued,
    sum(ages) as ages,
    -- How the works of a queue vary: the variance over the square of the mean.
    case when sum(mean) > 0 then greatest(0, sum(square) * sum(measured) / sum(mean) ^ 2 - 1) end as variation
from cells
group by grouping sets ((queue), (queue, band, priority, turn, due), (queue, place))
order by queue, priority desc, turn, sla
