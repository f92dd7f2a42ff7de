-- The webhooks to which events may go, or soon may again.
select
    id, name, url, events, salt::text as salt, key_check, failures,
    greatest(0, extract(epoch from not_before - oms.now()))::float8 as seconds_alone
from ops.webhooks
where removed_at is null and paused_at is null
order by id
