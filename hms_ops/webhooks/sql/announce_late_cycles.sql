-- Tell a webhook of the cycles of which a job is past its deadline and open, once for each cycle.
select ops.announce_late_cycle(past.batch_id, past.type, past.id, past.sla)
from (
    select distinct on (job.batch_id) job.batch_id, job.type, job.id, job.sla
    from ops.webhooks as webhook
    join oms.jobs as job
        on job.finished_at is null
        and job.held_at is null
        and job.batch_id is not null
        and job.sla < oms.now()
        and job.sla >= webhook.created_at
        and (%(whole)s::boolean or job.sla >= oms.now() - make_interval(secs => %(recent)s::float8))
        and (webhook.type is null or job.type = webhook.type)
    where webhook.id = %(webhook)s::bigint
        and not exists (
            select from ops.webhook_deliveries as delivery
            where delivery.webhook_id = webhook.id and delivery.event_id = format('cycle-%%s-late', job.batch_id)
        )
    order by job.batch_id, job.sla, job.id
) as past
limit %(most)s
