-- What became of the forecasts of each queue that were made in a span of time: of chances, as the Brier score of close
-- calls, in which a job was to end between 0.6 and 1.6 of the time until its deadline; of latest ends, those that
-- have passed without the end of the job included.
select
    queue,
    min(at) as since,
    count(ended)::int as forecasts,
    count(*) filter (where is_close)::int as close_calls,
    avg(error) filter (where is_close) as brier,
    count(missed)::int as latest_ends,
    avg(case when missed then 0 else 1 end) filter (where missed is not null)::float8 as kept,
    percentile_cont(0.5) within group (order by latest / ended) filter (where ended > 0) as width
from (
    select
        *,
        ended is not null and deadline > at
            and mean / date_part('epoch', deadline - at) between 0.6 and 1.6 as is_close,
        (chance - case when at + make_interval(secs => ended) > deadline then 1 else 0 end) ^ 2 as error
    from (
        select * from ops.forecasts where at >= %(since)s::timestamptz and at < %(until)s::timestamptz
    ) as of_span
    where deadline > at or ended is not null or missed is not null
) as judged
group by queue
having count(missed) > 0
order by queue
