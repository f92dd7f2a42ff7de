-- Erase what rows of the oldest cycles held that made no job: each keeps its line, its column and the kind of fault.
with due as (
    select batch.id
    from oms.batches as batch
    where batch.type = any(%(types)s::text[]) and batch.created_at < %(before)s::timestamptz
        and batch.rows_erased_at is null
        and not exists (select from oms.holds as hold where hold.batch_id = batch.id and hold.ended_at is null)
    order by batch.id
    limit 1
),
rows as (
    select row.batch_id, row.line
    from due
    join oms.cycle_rows as row on row.batch_id = due.id
    where row.original is not null or row.differences is not null or row.reason is distinct from row.gist
    order by row.line
    limit %(limit)s::int
    for update of row skip locked
),
erased as (
    update oms.cycle_rows as row
    set original = null, differences = null, reason = row.gist
    from rows
    where row.batch_id = rows.batch_id and row.line = rows.line
    returning row.line
),
finished as (
    update oms.batches as batch
    set rows_erased_at = oms.now()
    from due
    where batch.id = due.id and not exists (select from rows)
    returning batch.id
)
select
    (select count(*) from erased)::int as erased_rows, (select count(*) from due)::int as cycles
