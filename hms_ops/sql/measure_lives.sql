-- The event logs of jobs, each with what is needed to read it. A dispatch changes nothing that is measured. Months before
-- these jobs are not looked into: no clock is set back so far.
select
    line.job_id as job,
    job.recipe_id as recipe,
    -- The deadline counts from acceptance, or from the start that was asked for then.
    coalesce(date_part('epoch', job.clock_from), date_part('epoch', job.sla) - 60 * job.sla_minutes) as planned,
    line.id,
    date_part('epoch', line.at) as at,
    line.fact,
    line.status,
    line.step,
    case
        when line.fact in ('delayed', 'sleeping')
        then jsonb_build_object('readyAt', date_part('epoch', (line.detail ->> 'readyAt')::timestamptz))
        when line.fact in ('accepted', 'retrying', 'cancelled', 'moved') then line.detail
    end as detail
from unnest(%(jobs)s::bigint[]) as asked (job)
join oms.jobs as job on job.id = asked.job
join oms.job_events as line on line.job_id = job.id and line.at > job.created_at - interval '31 days'
where line.fact <> 'dispatched'
order by line.job_id, line.id
