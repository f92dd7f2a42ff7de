-- Callbacks that came before it was known which text they are about: now it is.
update oms.callbacks
set applied_at = oms.now()
where sid = any(%(sids)s::text[]) and applied_at is null
returning sid, status, code, id
