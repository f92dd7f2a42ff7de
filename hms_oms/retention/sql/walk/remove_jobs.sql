-- Remove jobs that have ended, with all that is theirs, and add them to the sums. A job with a key goes only when the
-- note of the key is seen by every acceptance: those that may have begun before the note are over. The parts of its
-- steps go with it, and stand in no sum.
with whole as materialized (
    select job.*
    from oms.jobs as job
    where job.id = any(%(jobs)s::bigint[]) and job.part is null
        and job.finished_at < %(before)s::timestamptz
        and not exists (
            select from oms.jobs as part
            where part.parent_id = job.id and part.part is not null
                and (
                    part.finished_at is null or part.finished_at >= %(before)s::timestamptz
                    or exists (select from oms.needed_jobs as needed where needed.job_id = part.id)
                )
        )
        and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
        and (
            job.key is null
            or job.status = 'cancelled'
            or exists (
                select from oms.known_keys as known
                where known.type = job.type and known.key = job.key and known.job_id = job.id
                    and known.noted_by < pg_snapshot_xmin(pg_current_snapshot())
                    and known.noted_at <= oms.now() - make_interval(secs => %(settled)s::float8)
            )
        )
    order by job.id
    for update of job skip locked
),
removable as materialized (
    select * from whole
    union all
    select part.* from whole join oms.jobs as part on part.parent_id = whole.id and part.part is not null
),
texts as (
    select message.id from oms.messages as message join removable on removable.id = message.job_id
),
attempts as (
    delete from oms.message_attempts where message_id in (select id from texts) returning message_id
),
messages as (
    delete from oms.messages where id in (select id from texts) returning id
),
-- Only the months around their lives are looked into, as by ASTRAY in walk.py.
lives as (
    select min(created_at) - interval '31 days' as since, max(finished_at) + interval '31 days' as until from removable
),
events as (
    delete from oms.job_events
    where job_id in (select id from removable)
        and at >= (select since from lives) and at < (select until from lives)
    returning job_id
),
keys as (
    update oms.known_keys set removed_at = oms.now() where job_id in (select id from removable) and removed_at is null
),
asked as (
    delete from oms.child_jobs where parent_id in (select id from removable)
),
-- The jobs that have started them know how they had ended.
ended_children as (
    update oms.child_jobs as asked
    set status = removable.status
    from removable
    where asked.job_id = removable.id and asked.parent_id not in (select id from removable)
),
found_by as (
    delete from oms.job_search where job_id in (select id from removable)
),
new_words as (
    delete from oms.unindexed_words where job_id in (select id from removable)
),
jobs as (
    delete from oms.jobs where id in (select id from removable) returning id
),
ended as (
    select
        *,
        date_bin('15 minutes', finished_at, timestamptz '2000-01-01 00:00+00') as quarter,
        oms.kept(status, finished_at, sla, finished_at) as kept
    from whole
),
tallies as (
    select
        quarter, queue, type, sla_minutes,
        count(*) filter (where status = 'done') as done,
        count(*) filter (where status = 'failed') as failed,
        count(*) filter (where status = 'cancelled') as cancelled,
        count(*) filter (where kept = 'on time') as on_time,
        count(*) filter (where kept = 'late') as late,
        coalesce(
            array_agg(extract(epoch from finished_at - sla)::float8)
                filter (where finished_at > sla and status <> 'cancelled'),
            '{}'
        ) as seconds_late,
        count(started_at) as started,
        coalesce(sum(extract(epoch from started_at - created_at)), 0)::float8 as wait_seconds,
        coalesce(sum(extract(epoch from finished_at - created_at)) filter (where started_at is not null), 0)::float8
            as total_seconds
    from ended
    group by quarter, queue, type, sla_minutes
),
outcomes as (
    select quarter, queue, type, sla_minutes, jsonb_object_agg(outcome, number) as outcomes
    from (
        select quarter, queue, type, sla_minutes, outcome, count(*) as number
        from ended
        where status = 'done' and outcome is not null
        group by quarter, queue, type, sla_minutes, outcome
    ) as each
    group by quarter, queue, type, sla_minutes
),
sums as (
    insert into oms.job_sums as sum (
        quarter, queue, type, sla_minutes, done, failed, cancelled, on_time, late, seconds_late, started,
        wait_seconds, total_seconds, outcomes
    )
    select tallies.*, coalesce(outcomes.outcomes, '{}')
    from tallies
    left join outcomes using (quarter, queue, type, sla_minutes)
    order by quarter, queue, type, sla_minutes
    on conflict (quarter, queue, type, sla_minutes) do update set
        done = sum.done + excluded.done,
        failed = sum.failed + excluded.failed,
        cancelled = sum.cancelled + excluded.cancelled,
        on_time = sum.on_time + excluded.on_time,
        late = sum.late + excluded.late,
        seconds_late = sum.seconds_late || excluded.seconds_late,
        started = sum.started + excluded.started,
        wait_seconds = sum.wait_seconds + excluded.wait_seconds,
        total_seconds = sum.total_seconds + excluded.total_seconds,
        outcomes = oms.added(sum.outcomes, excluded.outcomes)
)
select
    (select count(*) from jobs where id in (select id from whole))::int as jobs,
    (select count(*) from events)::int as events,
    (select count(*) from messages)::int as messages,
    (select count(*) from attempts)::int as attempts,
    -- Those that wait for their key to be seen.
    (
        select count(*) from oms.jobs as job
        where job.id = any(%(jobs)s::bigint[]) and job.key is not null and job.status <> 'cancelled'
            and job.finished_at < %(before)s::timestamptz
            and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
            and job.id not in (select id from removable)
    )::int as waiting
