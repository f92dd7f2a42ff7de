-- List jobs of a queue that are open past their deadline under an incident; how many are new.
with incident as (
    select id, noted_until from ops.incidents where id = :incident for update
),
late as (
    select job.id, job.sla
    from oms.jobs as job, incident
    where job.queue = :queue
        and job.status in ('waiting', 'queued', 'running')
        and job.sla < :now
        and job.sla >= case when :whole then '-infinity' else coalesce(incident.noted_until, '-infinity') end
        and not exists (
            select from ops.incident_jobs as listed
            where listed.incident_id = incident.id and listed.job_id = job.id
        )
    order by job.sla
    limit :most
),
listed as (
    insert into ops.incident_jobs (incident_id, job_id, deadline, noted_at)
    select :incident, id, sla, :now from late
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
    where id = :incident and counted.fresh > 0
)
select fresh from counted
