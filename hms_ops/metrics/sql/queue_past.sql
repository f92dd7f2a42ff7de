-- How a queue went, by steps of time that begin at whole multiples of their length: the mean, the least and
-- the most of its minutes. Steps of whole hours are read by the hour, as far as hours were added up.
with added_up as (
    select coalesce(max(at) + interval '1 hour', '-infinity') as until
    from ops.sample_hours
    where name = 'floor.workers' and queue = '' and subject = ''
), bounds as (
    select
        cast(%(since)s as timestamptz) as since,
        case
            when %(step)s %% 3600 = 0 then least(greatest(until, %(since)s), %(until)s)
            else cast(%(since)s as timestamptz)
        end as by_hours_until
    from added_up
), minutes as (
    select at, name, subject, value
    from bounds, ops.samples
    where queue = %(queue)s and name = any(%(names)s) and subject = any(%(subjects)s)
        and at >= by_hours_until and at < %(until)s
), parts as (
    select at, name, subject, samples, total, least, most
    from bounds, ops.sample_hours
    where queue = %(queue)s and name = any(%(names)s) and subject = any(%(subjects)s)
        and at >= since and at < by_hours_until
    union all
    select at, name, subject, 1, value, value, value from minutes
    union all
    -- The open jobs of a minute are those of all states.
    select at, name, '', 1, sum(value), sum(value), sum(value)
    from minutes
    where name = 'queue.length'
    group by at, name
)
select
    to_timestamp(floor(date_part('epoch', at) / %(step)s) * %(step)s) as at,
    name,
    subject,
    sum(total) / sum(samples) as mean,
    min(least) as least,
    max(most) as most
from parts
group by 1, 2, 3
order by 1, 2, 3
