-- Give a lease back, and wake those who stand by.
update oms.leaders
set renewals = renewals + 1, expires_at = clock_timestamp()
where duty = %(daemon)s::text and term = %(term)s::bigint
returning pg_notify('oms_leaders', duty)
