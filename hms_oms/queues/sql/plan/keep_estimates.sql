-- Keep what has been measured of the work of jobs.
insert into oms.work_estimates (cell, type, step, works, mean, upper)
select * from unnest(
    %(cells)s::int[], %(types)s::text[], %(steps)s::smallint[], %(works)s::int[], %(means)s::float8[],
    %(uppers)s::float8[]
)
on conflict (cell) do update set
    type = excluded.type, step = excluded.step, works = excluded.works, mean = excluded.mean,
    upper = excluded.upper, measured_at = oms.now()
returning cell
