-- The policy of a queue, held until the transaction ends.
select policy, policy_set_by, policy_set_at from oms.queues where name = %(queue)s for update
