-- Tell a webhook of the jobs that are past their deadline and open. What was told already is left out; a look that is
-- not `whole` passes by those whose deadline was longer ago.
select ops.announce_late(past.job)
from (
    select job
    from ops.webhooks as webhook
    join oms.jobs as job
        on job.finished_at is null and job.part is null and job.held_at is null
        and job.sla < oms.now()
        and job.sla >= webhook.created_at
        and (%(whole)s::boolean or job.sla >= oms.now() - make_interval(secs => %(recent)s::float8))
        and (webhook.queue is null or job.queue = webhook.queue)
        and (webhook.type is null or job.type = webhook.type)
    where webhook.id = %(webhook)s::bigint
        and not exists (
            select from ops.webhook_deliveries as delivery
            where delivery.webhook_id = webhook.id
                and delivery.event_id = format('job-%%s-late-%%s', job.id, extract(epoch from job.sla)::bigint)
        )
    order by job.sla
    limit %(most)s
) as past
