-- A queue as people have set it, held until the transaction ends.
select
    paused_at, paused_by, pause_reason,
    window_size, window_set_by, window_set_at, starts_per_minute, starts_set_by, starts_set_at,
    policy, policy_set_by, policy_set_at, calendar_id, calendar_set_by, calendar_set_at,
    at_once, at_once_set_by, at_once_set_at
from oms.queues where name = %(queue)s for update
