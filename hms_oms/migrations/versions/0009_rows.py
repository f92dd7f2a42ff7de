"""Rows of a cycle's file that made no job of their own, and files that wait to be started."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROWS = """
-- What became of a row that made no job: refused, known (the same came before), differs (other content).
create table oms.cycle_rows (
    batch_id bigint not null references oms.batches on delete cascade,
    line int not null,
    result text not null check (result in ('refused', 'known', 'differs')),
    field text,         -- of a refused row: the column to blame ...
    reason text,        -- ... why ...
    gist text,          -- ... why without any value of the row, so that rows can be counted by it ...
    original text,      -- ... and the row as it came
    job_id bigint,      -- of the others: the job that has their key ...
    differences jsonb,  -- ... and by field what that job has and what was sent
    primary key (batch_id, line)
);
create index cycle_rows_result on oms.cycle_rows (batch_id, result, line);
alter table oms.batches add column differing int not null default 0;

-- A file that was looked at and may be started, in pieces; it is deleted when that is over.
create table oms.uploads (
    id text primary key,
    actor text not null,
    type text not null,
    name text not null,
    media_type text not null,
    sla_minutes double precision,
    size bigint not null default 0,
    created_at timestamptz not null default oms.now(),
    expires_at timestamptz not null,
    started_at timestamptz
);
create index uploads_expired on oms.uploads (expires_at);
create table oms.upload_pieces (
    upload_id text not null references oms.uploads on delete cascade,
    piece int not null,
    content bytea not null,
    primary key (upload_id, piece)
);
"""


def upgrade() -> None:
    """Create the tables of rows and uploads."""
    op.execute(ROWS)


def downgrade() -> None:
    """Remove the tables of rows and uploads."""
    op.execute("drop table oms.upload_pieces, oms.uploads, oms.cycle_rows")
    op.execute("alter table oms.batches drop column differing")
