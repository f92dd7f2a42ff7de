-- Take the front of a queue's backlog into the window: what is kept before what was given up, in each priority first,
-- then what is due first. What is before the place that is given is not read.
with front as (
    select id, limit_key, limit_at_once, limit_starts, band, priority, due
    from oms.jobs
    where queue = %(queue)s::text and not agent
        and dispatched_at is null and finished_at is null and ready_at is null
        and band <= %(last_band)s::smallint
        and (band, -priority, due, id) >= (
            coalesce(%(band)s::smallint, 0), coalesce(%(rank)s::int, -2147483648),
            coalesce(%(due)s::timestamptz, '-infinity'), coalesce(%(job)s::bigint, 0)
        )
    order by band, -priority, due, id
    limit %(count)s::int
    -- A row that somebody else holds is being changed: leave it to the next turn rather than wait.
    for update skip locked
),
-- However a job has come into the backlog, no more than so many with its key are in flight, and start in a minute.
in_flight as (
    select other.limit_key, count(*) as number
    from oms.jobs as other
    where other.limit_key in (select limit_key from front where limit_key is not null)
        and other.dispatched_at is not null and other.finished_at is null and other.ready_at is null
    group by other.limit_key
),
judged as (
    select front.*, front.limit_at_once is null or front.limit_at_once >= coalesce(in_flight.number, 0) + row_number() over (
        partition by front.limit_key order by front.band, -front.priority, front.due, front.id
    ) as fits
    from front
    left join in_flight on in_flight.limit_key = front.limit_key
),
-- Only what has a limit of starts asks whether it may: a function of its own, so that the others do not pay for it.
chosen as (
    select id, case
        when fits and limit_starts is not null then oms.start_limited(limit_key, limit_starts) else fits
    end as fits
    from judged
    -- Keys in one order, so that two who take jobs at the same moment do not wait for each other.
    order by limit_key, band, -priority, due, id
),
held_back as (
    update oms.jobs as job set ready_at = oms.held_back() from chosen where job.id = chosen.id and not chosen.fits
),
taken as (
    update oms.jobs as job
    set status = 'queued', dispatched_at = oms.now(), since = oms.now()
    from chosen
    where job.id = chosen.id and chosen.fits
    returning job.id, job.attempt, job.step, job.status, job.steps, job.recipe_id, job.cell,
        job.band, job.priority, job.due, job.part
),
event_log as (
    insert into oms.job_events (job_id, fact, status, step, attempt)
    select id, 'dispatched', status, step, attempt from taken
)
select id, attempt, step, steps, recipe_id, cell, band, priority, due, part
from taken
order by band, -priority, due, id
