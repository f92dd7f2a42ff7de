-- Whether any job is open. In the order of an index of open jobs: by statistics of a busier hour the table would be read.
select (select true from oms.jobs where finished_at is null order by queue, sla limit 1) is not null as is_open
