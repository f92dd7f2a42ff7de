-- Analyze the tables that have doubled since they were last analyzed; every session then plans its statements again.
select oms.refresh_statistics()
