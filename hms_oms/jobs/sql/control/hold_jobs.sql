-- Lock jobs, and what goes with them, in the order in which all verbs do.
select id from oms.jobs where id in (select id from oms.family(%(jobs)s::bigint[])) order by id for update
