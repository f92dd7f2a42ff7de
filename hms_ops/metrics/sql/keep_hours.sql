-- Adds up the whole hours of samples that were not added up yet, some at a time.
with next as (
    select date_trunc('hour', min(at), 'UTC') as since
    from ops.samples
    -- Of this metric there is one sample whenever there are any.
    where name = 'floor.workers' and queue = '' and subject = ''
        and at >= coalesce(
            (
                select max(at) + interval '1 hour' from ops.sample_hours
                where name = 'floor.workers' and queue = '' and subject = ''
            ),
            '-infinity'
        )
        and at < date_trunc('hour', cast(%(now)s as timestamptz), 'UTC')
), minutes as (
    select at, name, queue, subject, value
    from next, ops.samples
    where at >= since and at < since + cast(%(bite)s as interval)
        and at < date_trunc('hour', cast(%(now)s as timestamptz), 'UTC')
)
insert into ops.sample_hours (at, name, queue, subject, samples, total, least, most)
select date_trunc('hour', at, 'UTC'), name, queue, subject, count(*), sum(value), min(value), max(value)
from (
    select at, name, queue, subject, value from minutes
    union all
    select at, name, queue, '', sum(value) from minutes where name = 'queue.length' group by at, name, queue
) as whole
group by 1, 2, 3, 4
on conflict do nothing
