-- Whether any job waits for its parts, or for jobs that it has started: who ends one of them notifies nobody.
select exists (
    select from oms.jobs where event = %(event)s::text and finished_at is null and ready_at = oms.parts_pending()
) as awaited
