-- How the parts of jobs stand that wait at these steps: how many there are, how many of them are open, and the first that
-- has come to a bad end.
select
    asked.job,
    count(part.id)::int as parts,
    (count(part.id) filter (where part.finished_at is null))::int as open,
    (array_agg(
        jsonb_build_object('job', part.id, 'part', part.part, 'status', part.status, 'error', part.error)
        order by part.status, part.part
    ) filter (where part.status = 'failed' or part.status = 'cancelled'))[1:1] as bad
from unnest(%(jobs)s::bigint[], %(steps)s::smallint[]) as asked (job, step)
left join oms.jobs as part on part.parent_id = asked.job and part.part is not null and part.step = asked.step
group by asked.job
