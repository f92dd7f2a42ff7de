-- For how long the leaders of a daemon have watched without a gap, in seconds.
select extract(epoch from clock_timestamp() - watched_since)::float8 as seconds
from oms.leaders
where duty = %(daemon)s::text
