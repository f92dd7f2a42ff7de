-- Have jobs found by their words. The index takes longer than the job itself: it comes later (index_words.sql).
insert into oms.unindexed_words (job_id, words)
select job, words from unnest(%(jobs)s::bigint[], %(words)s::text[]) as made (job, words)
