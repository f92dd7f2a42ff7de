-- Bring the roster up to the file: new inspectors come in, names and states follow it. Loads, and whether an
-- inspector is active, belong to the running house and stay. Rows are locked in the order of id, as in
-- assign.sql, and only those that differ are written.
insert into farm.inspectors (id, name, state)
select id, name, state
from unnest(%(ids)s::int[], %(names)s::text[], %(states)s::text[]) as roster (id, name, state)
order by id
on conflict (id) do update
set name = excluded.name, state = excluded.state
where (inspectors.name, inspectors.state) is distinct from (excluded.name, excluded.state)
