-- By how many deviations the latest ends of jobs of a queue were after their means, lowest first; a forecast whose
-- limit has passed counts as far as it is by now.
select (coalesce(ended, date_part('epoch', %(now)s::timestamptz - at)) - mean) / deviation as score
from (
    select * from ops.forecasts
    where queue = %(queue)s::text and (ended is not null or missed)
    order by id desc
    limit %(kept)s::int
) as latest
order by 1
