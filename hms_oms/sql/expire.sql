-- Texts whose time is over before they could go: they count as missed.
update oms.messages
set state = 'expired', since = oms.now(), finished_at = oms.now(), fence = fence + 1
where state = 'pending' and expires_at <= oms.now()
returning id
