-- The jobs that steps have asked for and that are not started yet; held until the transaction ends. Nothing is started
-- for a job that is cancelled, or is to be, as long as it is: what a part has asked for is its job's. One of a type that
-- is not known here is left for a while to a dispatcher that knows it.
select asked.parent_id as parent, asked.step, asked.number, asked.type, asked.payload, asked.options
from oms.child_jobs as asked
join oms.jobs as asker on asker.id = asked.parent_id
join oms.jobs as whole on whole.id = case when asker.part is null then asker.id else asker.parent_id end
where asked.job_id is null and asked.fault is null
    and whole.status <> 'cancelled' and whole.cancel_by is null
    and (
        asked.type = any(%(types)s::text[])
        or asked.asked_at <= oms.now() - make_interval(secs => %(patience)s::float8)
    )
order by asked.asked_at, asked.parent_id, asked.number
limit %(most)s::int
for update of asked skip locked
-- Anyone who cancels the job waits for this, and its steps go on meanwhile.
for key share of whole skip locked
