-- Texts whose time is over before they could go: they count as missed.
with missed as (
    select id from oms.messages
    where state = 'pending' and expires_at <= oms.now()
    for update skip locked
)
update oms.messages as message
set state = 'expired', since = oms.now(), finished_at = oms.now(), fence = message.fence + 1
from missed
where message.id = missed.id
returning message.id
