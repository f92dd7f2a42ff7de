-- Lengthen the lease of a reservation that still holds.
update oms.jobs
set lease_until = oms.now() + %(lease)s::float8 * interval '1 second'
where id = %(job)s::bigint and attempt = %(attempt)s::int and steps[step + 1] = %(step)s::text
    and status = 'running' and agent
returning lease_until
