-- Erase the personal data of jobs of one type that have ended: fields of the payload, and of results that repeat
-- them; what an error says; to whom texts went, and what they said. The facts stay.
with erasable as materialized (
    select job.id
    from oms.jobs as job
    where job.id = any(%(jobs)s::bigint[]) and job.finished_at < %(before)s::timestamptz
        and job.type = %(type)s::text
        and not exists (select from oms.needed_jobs as needed where needed.job_id = job.id)
    order by job.id
    for update of job skip locked
),
jobs as (
    update oms.jobs as job
    set payload = oms.without(job.payload, %(paths)s::jsonb),
        results = (
            select coalesce(
                jsonb_object_agg(
                    step,
                    case jsonb_typeof(result) when 'object' then result - %(names)s::text[] else result end
                ),
                '{}'
            )
            from jsonb_each(job.results) as each (step, result)
        ),
        error = job.error - 'message' - 'traceback',
        progress = null,
        erased_at = oms.now()
    from erasable
    where job.id = erasable.id and job.erased_at is null and %(paths)s::jsonb <> '[]'
    returning job.id
),
signals as (
    update oms.signals as signal
    set data = null
    from jobs
    where signal.job_id = jobs.id
),
messages as (
    update oms.messages as message
    set recipient = '',
        body = format('(erased on %%s by retention)', to_char(oms.now() at time zone 'utc', 'YYYY-MM-DD')),
        carried = null,
        erased_at = oms.now()
    from erasable
    where message.job_id = erasable.id and message.erased_at is null
    returning message.id
)
select (select count(*) from jobs)::int as personal_data, (select count(*) from messages)::int as erased_messages
