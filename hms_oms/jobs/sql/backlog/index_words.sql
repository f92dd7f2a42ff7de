-- Move the words of new jobs to where the search has an index. Not while retention removes words, nor it meanwhile: it
-- would look for them here and there, and miss those on their way.
with turn as materialized (
    select pg_try_advisory_xact_lock(5197139, hashtext('oms.retention')) as ours
),
moved as (
    delete from oms.unindexed_words
    where ctid = any(array(
        select words.ctid from oms.unindexed_words as words cross join turn where turn.ours limit %(count)s::int
    ))
    returning job_id, words
),
indexed as (
    insert into oms.job_search (job_id, words) select job_id, words from moved order by job_id
)
select count(*)::int as number from moved
