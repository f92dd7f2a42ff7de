-- List jobs of a queue that are past their deadline, or ended past it, under an incident; how many are new.
with incident as (
    select id, noted_until, active_at from ops.incidents where id = %(incident)s for update
),
past as (
    select job.id, job.sla
    from oms.jobs as job, incident
    where job.queue = %(queue)s and job.part is null
        and job.finished_at is null
        and job.held_at is null
        and job.sla < %(now)s::timestamptz
        and job.sla >= case when %(whole)s::boolean then '-infinity' else coalesce(incident.noted_until, '-infinity') end
    union all
    -- A job may become late and end between two looks.
    select job.id, job.sla
    from oms.jobs as job, incident
    where job.queue = %(queue)s and job.part is null
        and job.finished_at > greatest(incident.active_at, %(now)s::timestamptz - interval '30 seconds')
        and job.finished_at > job.sla
        and job.status <> 'cancelled'
),
late as (
    select past.id, past.sla
    from past, incident
    where not exists (
        select from ops.incident_jobs as listed
        where listed.incident_id = incident.id and listed.job_id = past.id
    )
    order by past.sla
    limit %(most)s
),
listed as (
    insert into ops.incident_jobs (incident_id, job_id, deadline, noted_at)
    select %(incident)s, id, sla, %(now)s::timestamptz from late
    on conflict do nothing
    returning job_id
),
counted as (
    select (select count(*) from listed) as fresh, (select max(sla) from late) as until
),
marked as (
    update ops.incidents
    set late_jobs = late_jobs + counted.fresh,
        -- A whole look may stop short of where the last one got to: it never goes back.
        noted_until = greatest(noted_until, counted.until)
    from counted
    where id = %(incident)s and counted.fresh > 0
)
select fresh from counted
