-- The newest job: how many were accepted lately, at most.
select coalesce(max(id), 0) as id from oms.jobs
