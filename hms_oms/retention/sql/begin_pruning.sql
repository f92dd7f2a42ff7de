-- Begin a transaction that removes: no lock is waited for long, and nobody else removes, or sets a hold, meanwhile.
select
    set_config('oms.retention', 'on', true),
    set_config('lock_timeout', '2s', true),
    set_config('statement_timeout', '30s', true),
    oms.now() as now,
    pg_try_advisory_xact_lock(5197139, hashtext('oms.retention')) as alone
