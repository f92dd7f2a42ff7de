-- Lock jobs in the order in which all verbs do.
select from oms.jobs where id = any(%(jobs)s::bigint[]) order by id for update
