-- Lock jobs, and what goes with them, in the order in which all verbs do.
with family as materialized (
    select id from oms.family(%(jobs)s::bigint[])
)
select id from oms.jobs where id in (select id from family) order by id for update
