"""Measurements: the newest value of each metric, its history per minute, and the beat of the watch."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

METRICS = """
-- The newest value of each metric. `queue` and `subject` are '' where a metric has none.
create table ops.metrics (
    name text not null,
    queue text not null default '',
    subject text not null default '',  -- a state, a step or a host
    value double precision,            -- null: no data, which is not zero
    source text not null,              -- 'events', 'ledger' or 'presence'
    at timestamptz not null,
    primary key (name, queue, subject)
);
alter table ops.metrics set (fillfactor = 50);

create table ops.samples (
    at timestamptz not null,           -- the minute's start
    name text not null,
    queue text not null default '',
    subject text not null default '',
    value double precision not null,
    primary key (name, queue, subject, at)
);
create index samples_pruned on ops.samples using brin (at);

-- One row per program that must not fall silent.
create table ops.beats (
    name text primary key,
    at timestamptz not null,
    detail jsonb not null default '{}'
);

-- Read by the sweep for what events have lost: rows lie in the order in which they were written.
create index job_events_recent on oms.job_events using brin (id, at)
    with (pages_per_range = 8, autosummarize = on);
-- Read by on-time shares and SLA reports.
create index jobs_ended on oms.jobs (finished_at, queue) include (sla, status)
    where finished_at is not null;
"""


def upgrade() -> None:
    """Create the tables of the measurements."""
    op.execute(METRICS)


def downgrade() -> None:
    """Remove the tables of the measurements."""
    op.execute("drop index oms.jobs_ended, oms.job_events_recent")
    op.execute("drop table ops.beats, ops.samples, ops.metrics")
