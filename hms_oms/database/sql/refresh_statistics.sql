-- Analyze the tables that are four times as large as when they were last analyzed; every
-- session then plans its statements again.
select oms.refresh_statistics()
