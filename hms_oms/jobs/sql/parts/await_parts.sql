-- Have jobs that the caller holds wait until something happens to their parts.
update oms.jobs set ready_at = oms.parts_pending() where id = any(%(jobs)s::bigint[]) and ready_at <= oms.now()
