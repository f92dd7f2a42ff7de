-- The attempt that the provider knows under this sid.
select message_id as message, number as attempt from oms.message_attempts where sid = %(sid)s::text
