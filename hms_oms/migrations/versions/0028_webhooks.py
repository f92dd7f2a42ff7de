"""Webhooks: who hears of the end and the lateness of jobs and cycles, and the events on their way to them."""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

WEBHOOKS = """
create table ops.webhooks (
    id bigint generated always as identity primary key,
    name text not null,
    url text not null,
    events text[] not null,
    queue text,
    type text,
    -- The secret is made of the key of the installation and this; whether it is that key tells the check.
    salt uuid not null default gen_random_uuid(),
    key_check text,
    set_by text not null,
    created_at timestamptz not null default oms.now(),
    paused_at timestamptz,
    paused_by text,
    pause_reason text,
    removed_at timestamptz,
    removed_by text,
    failures int not null default 0,
    failing_since timestamptz,
    not_before timestamptz not null default oms.now(),
    fault text
);
create unique index webhooks_name on ops.webhooks (name) where removed_at is null;

-- The outbox: a row for each event and webhook, written in the transaction of what it tells of. It refers to
-- its webhook without a foreign key, for which each job that ends would have to lock the webhook.
create table ops.webhook_deliveries (
    id bigint generated always as identity primary key,
    webhook_id bigint not null,
    event_id text not null,
    event text not null,
    subject text not null,
    at timestamptz not null,
    data jsonb not null,
    state text not null default 'pending'
        check (state in ('pending', 'sending', 'delivered', 'failed', 'dropped')),
    attempts int not null default 0,
    due_at timestamptz not null default oms.now(),
    give_up_at timestamptz not null default oms.now() + interval '3 days',
    lease_until timestamptz,
    created_at timestamptz not null default oms.now(),
    finished_at timestamptz,
    fault text,
    unique (webhook_id, event_id),
    check ((finished_at is not null) = (state in ('delivered', 'failed', 'dropped')))
);
create index webhook_deliveries_due on ops.webhook_deliveries (webhook_id, due_at, id)
    where state = 'pending';
create index webhook_deliveries_sending on ops.webhook_deliveries (lease_until)
    where state = 'sending';
create index webhook_deliveries_ended on ops.webhook_deliveries (finished_at)
    where finished_at is not null;
create index webhook_deliveries_failed on ops.webhook_deliveries (webhook_id, finished_at)
    where state = 'failed';
create index webhook_deliveries_newest on ops.webhook_deliveries (webhook_id, id);

create table ops.webhook_attempts (
    delivery_id bigint not null references ops.webhook_deliveries on delete cascade,
    number int not null,
    started_at timestamptz not null default oms.now(),
    finished_at timestamptz,
    outcome text,
    http_status int,
    fault text,
    primary key (delivery_id, number)
);

create function ops.in_json(at timestamptz) returns text immutable language sql as $$
    select to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

-- What an event says of a job: ids and facts, nothing of what is in its payload, key or results.
create function ops.job_facts(job oms.jobs) returns jsonb stable language sql as $$
    select jsonb_build_object(
        'id', 'job-' || job.id, 'type', job.type, 'queue', job.queue, 'status', job.status,
        'step', job.steps[job.step + 1], 'outcome', job.outcome, 'cycle', job.batch_id,
        'createdAt', ops.in_json(job.created_at), 'deadline', ops.in_json(job.sla),
        'finishedAt', ops.in_json(job.finished_at), 'late', coalesce(job.finished_at, oms.now()) > job.sla,
        'error', case when job.status = 'failed' then job.error ->> 'type' end
    )
$$;

-- Put an event into the outbox of each webhook that asks for it. The same event has the same id, so that it
-- is there once, by whom it may be told; what was before a webhook was added is not told to it.
create function ops.announce(
    event_id text, event text, subject text, at timestamptz, queue text, type text, data jsonb
) returns void language sql as $$
    insert into ops.webhook_deliveries (webhook_id, event_id, event, subject, at, data)
    select webhook.id, announce.event_id, announce.event, announce.subject, announce.at, announce.data
    from ops.webhooks as webhook
    where webhook.removed_at is null
        and announce.event = any(webhook.events)
        and (webhook.queue is null or webhook.queue = announce.queue)
        and (webhook.type is null or webhook.type = announce.type)
        and webhook.created_at <= announce.at
    on conflict do nothing
$$;

-- Runs with the rights of its owner: workers need none for webhooks.
create function ops.announce_end() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
    facts jsonb;
begin
    if not exists (select from ops.webhooks where removed_at is null) then
        return null;
    end if;
    facts := ops.job_facts(new);
    perform ops.announce(
        format('job-%s-%s-%s', new.id, new.status, new.attempt), 'job.' || new.status, 'job-' || new.id,
        new.finished_at, new.queue, new.type, facts
    );
    -- It may become late and end between two looks of the watch.
    if new.status <> 'cancelled' and new.finished_at > new.sla then
        perform ops.announce_late(new);
        if new.batch_id is not null then
            perform ops.announce_late_cycle(new.batch_id, new.type, new.id, new.sla);
        end if;
    end if;
    return null;
end $$;

create function ops.announce_late(job oms.jobs) returns void language sql as $$
    select ops.announce(
        format('job-%s-late-%s', job.id, extract(epoch from job.sla)::bigint), 'job.late', 'job-' || job.id,
        job.sla, job.queue, job.type, ops.job_facts(job)
    )
$$;

create function ops.announce_late_cycle(cycle bigint, type text, job bigint, deadline timestamptz)
returns void language sql as $$
    select ops.announce(
        format('cycle-%s-late', cycle), 'cycle.late', 'cycle-' || cycle, deadline, null, type,
        jsonb_build_object(
            'id', cycle, 'type', type, 'firstLateJob', 'job-' || job, 'deadline', ops.in_json(deadline)
        )
    )
$$;

create trigger jobs_announced after update of status on oms.jobs for each row
when (old.finished_at is null and new.finished_at is not null)
execute function ops.announce_end();

-- When the last of its jobs had ended, and that was seen.
alter table oms.batches add column ended_at timestamptz;
create index batches_not_ended on oms.batches (id) where ended_at is null;
"""

BEFORE = """
drop index oms.batches_not_ended;
alter table oms.batches drop column ended_at;
drop trigger jobs_announced on oms.jobs;
drop function ops.announce_end, ops.announce_late, ops.announce_late_cycle, ops.announce,
    ops.job_facts, ops.in_json;
drop table ops.webhook_attempts, ops.webhook_deliveries, ops.webhooks;
"""


def upgrade() -> None:
    """Create tables, functions and the trigger that tells of the end of a job."""
    op.execute(WEBHOOKS)


def downgrade() -> None:
    """Remove them."""
    op.execute(BEFORE)
