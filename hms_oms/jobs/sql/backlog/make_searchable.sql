-- Have jobs found by their words.
insert into oms.job_search (job_id, words)
select job, words from unnest(%(jobs)s::bigint[], %(words)s::text[]) as made (job, words)
