-- Erase the personal data of jobs of one type that have ended: fields of the payload, and of results that repeat
-- them, those of parts and of jobs that they have started among them; payloads of jobs that could not be started; what an
-- error says; to whom texts went, and what they said. The facts stay.
with erasable as materialized (
    select job.id, %(names)s::text[] || array(
        select path ->> -1
        from oms.child_jobs as child
        join oms.retention_rules as rule on rule.type = child.type
        cross join jsonb_array_elements(rule.personal) as each (path)
        where child.parent_id in (
            select job.id
            union all
            select part.id from oms.jobs as part where part.parent_id = job.id and part.part is not null
        )
    ) as names
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
            select coalesce(jsonb_object_agg(step, case
                -- Most hold none of them, which is soon seen, however large they are.
                when exists (
                    select from unnest(erasable.names) as personal (name)
                    where strpos(result::text, to_jsonb(name)::text || ':') > 0
                )
                then oms.without_names(result, erasable.names)
                else result
            end), '{}')
            from jsonb_each(job.results) as each (step, result)
        ),
        error = job.error - 'message' - 'traceback',
        progress = null,
        erased_at = oms.now()
    from erasable
    where job.id = erasable.id and job.erased_at is null and erasable.names <> '{}'
    returning job.id
),
signals as (
    update oms.signals as signal
    set data = null
    from jobs
    where signal.job_id = jobs.id
),
child_jobs as (
    update oms.child_jobs as child
    set payload = null,
        fault = case when child.job_id is null then coalesce(child.fault, 'what it was asked for with was erased') end
    from jobs
    where child.parent_id = jobs.id
),
found_by as (
    delete from oms.job_search as words
    using jobs
    where words.job_id = jobs.id
),
new_words as (
    delete from oms.unindexed_words as words
    using jobs
    where words.job_id = jobs.id
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
