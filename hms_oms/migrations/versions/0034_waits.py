"""Jobs that wait for an event, and the signals that are kept for them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TABLES = """
alter table oms.jobs add column if not exists event text;
create table if not exists oms.signals (
    job_id bigint not null references oms.jobs on delete cascade,
    event text not null,
    data jsonb,
    who text not null,
    at timestamptz not null default oms.now(),
    spent_at timestamptz,
    primary key (job_id, event)
);
create index if not exists signals_to_spend on oms.signals (job_id) where spent_at is null;
"""
VALID = text("select indisvalid from pg_index where indexrelid = to_regclass('oms.jobs_awaiting')")


def upgrade() -> None:
    """Add the column, the table, and, while everybody goes on, the index of time limits."""
    op.execute(TABLES)
    with op.get_context().autocommit_block():
        built = op.get_bind().scalar(VALID)
        if built is False:
            # It was interrupted half-way.
            op.execute("drop index concurrently oms.jobs_awaiting")
        if not built:
            op.execute(
                "create index concurrently jobs_awaiting on oms.jobs (ready_at)"
                " where event is not null and finished_at is null"
            )


def downgrade() -> None:
    """Remove them."""
    op.execute("drop table oms.signals")
    op.execute("drop index oms.jobs_awaiting")
    op.execute("alter table oms.jobs drop column event")
