"""The ledger: jobs and their diary, SLAs, queues, workers, batches and the message outbox."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

LEDGER = """
create schema oms;

-- Every decision about time goes through this one function; tests replace its body.
create function oms.now() returns timestamptz language sql stable as 'select now()';

-- A snapshot of each recipe that a job was accepted under, by content.
create table oms.recipes (
    id int generated always as identity primary key,
    type text not null,
    digest text not null unique,
    definition jsonb not null,
    registered_at timestamptz not null default oms.now()
);

create table oms.queues (
    name text primary key,
    paused_at timestamptz,
    paused_by text,
    pause_reason text,
    window_size int check (window_size >= 0),
    starts_per_minute int check (starts_per_minute > 0),
    starts_from timestamptz not null default oms.now(),
    created_at timestamptz not null default oms.now()
);

-- Append-only: the newest row in force is the SLA of its queue.
create table oms.slas (
    id bigint generated always as identity primary key,
    queue text not null references oms.queues,
    minutes double precision not null check (minutes > 0),
    effective_at timestamptz not null default oms.now(),
    set_by text not null,
    reason text
);
create index slas_in_force on oms.slas (queue, effective_at desc, id desc);

create table oms.batches (
    id bigint generated always as identity primary key,
    type text not null,
    name text not null,
    requested_by text not null,
    accepted int not null default 0,
    duplicates int not null default 0,
    refused int not null default 0,
    created_at timestamptz not null default oms.now(),
    closed_at timestamptz
);

-- The columns that each step changes stand side by side: from the first that an update changes to the last,
-- all goes to the write-ahead log, and the payload is most of a row. (In older ledgers they stand in another
-- order, and an application takes a tenth more of the log. Nothing else depends on it.)
create table oms.jobs (
    id bigint generated always as identity primary key,
    type text not null,
    recipe_id int not null references oms.recipes,
    steps text[] not null,
    queue text not null,
    agent boolean not null default false,
    priority int not null default 0,
    sla timestamptz not null,
    sla_minutes double precision not null,
    payload jsonb not null,
    batch_id bigint references oms.batches,
    key text,
    requested_by text not null,
    created_at timestamptz not null default oms.now(),
    ready_at timestamptz,
    cancel_by text,
    error jsonb,
    failures smallint not null default 0,
    losses smallint not null default 0,
    worker text,
    lease_until timestamptz,
    dispatched_at timestamptz,
    started_at timestamptz,
    status text not null default 'waiting'
        check (status in ('waiting', 'queued', 'running', 'done', 'failed', 'cancelled')),
    step smallint not null default 0,
    attempt int not null default 1,
    since timestamptz not null default oms.now(),
    finished_at timestamptz,
    outcome text,
    results jsonb not null default '{}',
    check ((finished_at is not null) = (status in ('done', 'failed', 'cancelled')))
);
-- Each index is named after its reader.
create unique index jobs_key on oms.jobs (type, key) where key is not null;
create index jobs_backlog on oms.jobs (queue, agent, priority desc, sla, id)
    where status = 'waiting' and ready_at is null;
create index jobs_delayed on oms.jobs (ready_at) where status = 'waiting' and ready_at is not null;
create index jobs_window on oms.jobs (queue, since) where status = 'queued';
create index jobs_running on oms.jobs (worker) where status = 'running';
create index jobs_open_deadlines on oms.jobs (queue, sla) where status in ('waiting', 'queued', 'running');
create index jobs_batch on oms.jobs (batch_id, id) where batch_id is not null;
-- A job is rewritten some eight times in its life: leave room on its page, and sweep early.
alter table oms.jobs set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- The diary: one append-only row per change, written in the same statement as the change.
create table oms.job_events (
    job_id bigint not null,
    id bigint generated always as identity,
    at timestamptz not null default oms.now(),
    fact text not null,
    status text not null,
    step smallint not null,
    attempt int not null,
    who text,
    detail jsonb,
    primary key (job_id, id)
);
create function oms.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;
create trigger job_events_append_only before update or delete on oms.job_events
    for each row execute function oms.refuse_change();
create trigger slas_append_only before update or delete on oms.slas
    for each row execute function oms.refuse_change();

create table oms.workers (
    id text primary key,  -- name/pid: a restarted worker is another one
    name text not null,
    host text not null,
    pid int not null,
    backend_pid int not null,  -- of the connection that the beats come through
    pool text not null,
    slots int not null,
    queues text[] not null,
    steps text[] not null,
    tickets text[] not null default '{}',
    cpu_percent real not null default 0,
    rss_bytes bigint not null default 0,
    started_at timestamptz not null default oms.now(),
    beat_at timestamptz not null default oms.now()
);

-- The outbox: texts wait here, committed with the change that causes them, until a sender takes them.
create table oms.messages (
    id bigint generated always as identity primary key,
    token text not null unique,
    job_id bigint references oms.jobs,
    kind text not null,
    recipient text not null,
    body text not null,
    state text not null default 'pending' check (state in ('pending', 'sending', 'delivered', 'failed')),
    created_at timestamptz not null default oms.now(),
    finished_at timestamptz
);
create index messages_pending on oms.messages (id) where state in ('pending', 'sending');
create index messages_job on oms.messages (job_id);

create table oms.message_attempts (
    message_id bigint not null references oms.messages,
    number smallint not null,
    sender text not null,
    started_at timestamptz not null default oms.now(),
    finished_at timestamptz,
    outcome text,
    primary key (message_id, number)
);
"""


def upgrade() -> None:
    """Create everything in schema oms."""
    op.execute(LEDGER)


def downgrade() -> None:
    """Remove schema oms with all that it holds."""
    op.execute("drop schema oms cascade")
