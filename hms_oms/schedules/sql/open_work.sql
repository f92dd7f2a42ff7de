-- A job of the latest run of a schedule that has not ended, with its cycle; nothing where all have.
with latest as (
    select id, job_id
    from oms.schedule_runs
    where schedule_id = %(schedule)s::bigint and state = 'started'
    order by due_at desc
    limit 1
)
(
    select job.id, job.batch_id
    from latest
    join oms.jobs as job on job.id = latest.job_id
    where job.finished_at is null
)
union all
(
    select job.id, job.batch_id
    from latest
    join oms.schedule_files as file on file.run_id = latest.id
    join oms.jobs as job on job.batch_id = file.batch_id
    where job.finished_at is null
    limit 1
)
limit 1
