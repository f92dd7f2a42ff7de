-- Note how far running steps are, each under its ticket: void once the ledger has moved on. No index names the column, and
-- no line of the event log is written. Anyone who holds a row is just changing it: what was to be noted there is left out.
with report as (
    select * from unnest(
        %(jobs)s::bigint[], %(attempts)s::int[], %(steps)s::text[], %(shares)s::float8[], %(notes)s::text[]
    ) as report (job, attempt, step, share, note)
),
held as (
    select job.id, report.step, report.attempt, report.share, report.note
    from report
    join oms.jobs as job on job.id = report.job and job.attempt = report.attempt
        and job.steps[job.step + 1] = report.step and job.status = 'running'
    order by job.id
    for update of job skip locked
)
update oms.jobs as job
set progress = jsonb_build_object(
    'step', held.step, 'attempt', held.attempt, 'share', held.share, 'note', held.note, 'at', oms.now()
)
from held
where job.id = held.id
returning job.id
