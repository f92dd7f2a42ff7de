-- What is under way in the ledger: its jobs, the texts in the outbox, the cycles whose file is being read.
select
    (select count(*) from oms.jobs where finished_at is null) as open,
    (select count(*) from oms.jobs where dispatched_at is not null and finished_at is null and status = 'queued') as queued,
    (select count(*) from oms.jobs where dispatched_at is not null and finished_at is null and status = 'running' and not agent) as running,
    (select count(*) from oms.jobs where dispatched_at is not null and finished_at is null and status = 'running' and agent) as reserved,
    (select count(*) from oms.batches where closed_at is null) as reading,
    (select count(*) from oms.messages where state in ('pending', 'sending') and not page) as texts,
    (select count(*) from oms.messages where state in ('pending', 'sending') and page) as pages,
    (select count(*) from oms.messages where state = 'sending') as attempts,
    (select count(*) from oms.messages where state = 'unknown') as unknown
