"""Schedules, their runs, and the files that they have taken."""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

SCHEDULES = """
create table oms.schedules (
    id bigint generated always as identity primary key,
    name text not null,
    type text not null,
    cron text not null,
    timezone text not null,
    calendar text,
    payload jsonb,          -- of the one job that a run starts ...
    source text,            -- ... or the files of which it makes cycles
    sla_minutes double precision,
    catch_up text not null check (catch_up in ('none', 'last', 'all')),
    catch_up_hours int not null,
    overlap text not null check (overlap in ('start', 'skip')),
    missing_after_minutes int not null,
    in_recipe boolean not null,
    created_by text not null,
    created_at timestamptz not null default oms.now(),
    next_at timestamptz,    -- the next run; what was due before has its row
    paused_at timestamptz,
    paused_by text,
    pause_reason text,
    removed_at timestamptz,
    removed_by text,
    remove_reason text,
    check (num_nonnulls(payload, source) = 1)
);
create unique index schedules_name on oms.schedules (name) where removed_at is null;

-- A run is one row, however many dispatchers there are; it is written with the jobs that it starts.
create table oms.schedule_runs (
    id bigint generated always as identity primary key,
    schedule_id bigint not null references oms.schedules,
    due_at timestamptz not null,
    state text not null check (state in ('waiting', 'started', 'failed', 'skipped', 'missed')),
    requested_by text,        -- who has asked for it; else it was due
    note text,                -- what it waits for, or why nothing was started
    expected_by timestamptz,  -- since when its file is missing if it has not come
    job_id bigint,
    created_at timestamptz not null default oms.now(),
    ended_at timestamptz,
    settled_by text,          -- who has said that nobody need look at it any more
    unique (schedule_id, due_at)
);
create index schedule_runs_waiting on oms.schedule_runs (id) where state = 'waiting';

-- Files by their content: each is taken once, under whichever name it comes again.
create table oms.schedule_files (
    schedule text not null,
    digest text not null,
    name text not null,
    size bigint not null,
    run_id bigint not null,
    batch_id bigint,    -- the cycle that was made of it
    fault text,         -- why none was
    taken_at timestamptz not null default oms.now(),
    primary key (schedule, digest)
);
create index schedule_files_run on oms.schedule_files (run_id);
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(SCHEDULES)


def downgrade() -> None:
    """Remove them: schedules that stand in no recipe are gone."""
    op.execute("drop table oms.schedule_files, oms.schedule_runs, oms.schedules")
