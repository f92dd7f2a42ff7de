-- Move the clock of a queue's rate limit on by what has just been started.
update oms.queues
set starts_from = greatest(
        case when starts_from <= oms.now() then starts_from end,
        oms.now() - greatest(60.0 / starts_per_minute, 1.0) * interval '1 second'
    )
    + %(starts)s::int * 60.0 / starts_per_minute * interval '1 second'
where name = %(queue)s::text and starts_per_minute is not null
returning name
