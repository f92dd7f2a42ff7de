-- Forget that parts of these jobs have ended: how their parts stand is read after this, and they are held meanwhile.
delete from oms.ended_parts
where parent_id = any(%(jobs)s::bigint[])
    or not exists (select from oms.jobs as parent where parent.id = ended_parts.parent_id)
returning job_id
