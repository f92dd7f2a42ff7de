"""Incidents and who is called about them: thresholds, incidents with their history, on call, silences."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INCIDENTS = """
create schema ops;

-- Append-only: the newest row of a rule, parameter and queue is in force; without a queue it is for all.
create table ops.thresholds (
    id bigint generated always as identity primary key,
    rule text not null,
    parameter text not null,
    queue text references oms.queues,
    value double precision,  -- null: back to the default
    set_by text not null,
    reason text,
    set_at timestamptz not null default oms.now()
);
create index thresholds_in_force on ops.thresholds (rule, parameter, queue, id desc);
create trigger thresholds_append_only before update or delete on ops.thresholds
    for each row execute function oms.refuse_change();

create table ops.incidents (
    id bigint generated always as identity primary key,
    rule text not null,
    queue text references oms.queues,  -- null: about the whole floor
    subject text,                      -- what within the rule, as a host's name
    state text not null check (state in ('pending', 'open', 'acknowledged', 'resolved')),
    reference text,                    -- short, as K7; given when it opens, free some time after its end
    facts jsonb not null default '{}', -- what the rule said last
    worst double precision not null default 0,
    late_jobs int not null default 0,
    active_at timestamptz not null,    -- since when the rule holds, as far as is known
    last_true_at timestamptz not null,
    clear_since timestamptz,           -- since when it does not hold any more
    opened_at timestamptz,
    changed_at timestamptz,            -- when it last opened, reopened or was resolved
    acknowledged_at timestamptz,
    acknowledged_by text,
    ack_expires_at timestamptz,
    resolved_at timestamptz,
    resolved_by text,
    page_seq int not null default 1,   -- counted up whenever people are to be called anew
    page_from timestamptz,             -- from when on the ladder is climbed
    told_seq int not null default 0,   -- up to which page_seq those who were called know of its end
    reopened int not null default 0,
    flapping boolean not null default false,
    silenced boolean not null default false, -- the present call waits for the end of a silence
    detected_late boolean not null default false,
    noted_until timestamptz,           -- late jobs with a deadline up to here are listed
    check ((resolved_at is not null) = (state = 'resolved'))
);
create unique index incidents_one_open on ops.incidents (rule, coalesce(queue, ''), coalesce(subject, ''))
    where state <> 'resolved';
create unique index incidents_reference on ops.incidents (reference) where state <> 'resolved';
create index incidents_resolved on ops.incidents (resolved_at) where state = 'resolved';
create index incidents_untold on ops.incidents (id)
    where state = 'resolved' and (flapping or told_seq < page_seq);
-- What holds is rewritten at every look: leave room on its page.
alter table ops.incidents set (fillfactor = 50);
-- Where the next reference comes from.
create sequence ops.incident_references;

create table ops.incident_events (
    incident_id bigint not null references ops.incidents,
    id bigint generated always as identity,
    at timestamptz not null default oms.now(),
    kind text not null,
    who text,
    detail jsonb,
    primary key (incident_id, id)
);
create trigger incident_events_append_only before update or delete on ops.incident_events
    for each row execute function oms.refuse_change();

create table ops.incident_jobs (
    incident_id bigint not null references ops.incidents,
    job_id bigint not null,
    deadline timestamptz not null,
    noted_at timestamptz not null default oms.now(),
    primary key (incident_id, job_id)
);

-- Append-only: the newest document is in force (recipients, ladder, shifts).
create table ops.oncall (
    id bigint generated always as identity primary key,
    document jsonb not null,
    set_by text not null,
    reason text,
    set_at timestamptz not null default oms.now()
);
create trigger oncall_append_only before update or delete on ops.oncall
    for each row execute function oms.refuse_change();

create table ops.silences (
    id bigint generated always as identity primary key,
    rule text,    -- null: every rule
    queue text references oms.queues,  -- null: every queue
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    reason text not null,
    set_by text not null,
    set_at timestamptz not null default oms.now(),
    ended_at timestamptz, -- ended, or called off, by hand before its time
    ended_by text,
    check (ends_at > starts_at)
);

alter table oms.messages add foreign key (incident_id) references ops.incidents;
create index messages_incident on oms.messages (incident_id) where incident_id is not null;
"""


def upgrade() -> None:
    """Create the tables of the watch in schema ops."""
    op.execute(INCIDENTS)


def downgrade() -> None:
    """Remove schema ops with all that it holds."""
    op.execute("drop index oms.messages_incident")
    op.execute("alter table oms.messages drop constraint messages_incident_id_fkey")
    op.execute("drop schema ops cascade")
