-- Reports whose answer was lost: where their jobs stand, if that is where the reports have put them. Anyone else would
-- have moved them on under a new attempt.
select report.job, report.attempt, report.step, job.status, job.since
from unnest(
    %(jobs)s::bigint[], %(attempts)s::int[], %(steps)s::text[], %(next_steps)s::smallint[]
) as report (job, attempt, step, next_step)
join oms.jobs as job on job.id = report.job and job.attempt = report.attempt and job.results ? report.step
where case
    when report.next_step is null then job.status = 'done'
    when job.step <> report.next_step then false
    when job.status = 'running' then job.worker = %(worker)s::text
    else true
end
