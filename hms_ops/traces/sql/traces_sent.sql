-- Note how far traces have been sent.
insert into ops.traces_sent (finished_at, job_id) values (%(finished_at)s::timestamptz, %(job)s::bigint)
on conflict ((true)) do update set finished_at = excluded.finished_at, job_id = excluded.job_id
