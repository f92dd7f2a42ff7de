-- Remove the rows of workers that have not been heard for long.
delete from oms.workers
where beat_at < oms.now() - make_interval(secs => %(seconds)s::float8)
returning id
