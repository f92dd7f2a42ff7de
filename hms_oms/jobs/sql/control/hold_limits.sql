-- The limits of a queue, held until the transaction ends.
select window_size, starts_per_minute, at_once from oms.queues where name = %(queue)s for update
