-- The database's clock, in seconds since the epoch.
select extract(epoch from oms.now())::float8 as seconds
