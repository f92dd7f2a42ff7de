"""What traces need: a name of this ledger that no other has, and how far they have been sent."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TRACES = """
-- One row: it tells this ledger's jobs from those of another with the same numbers.
create table oms.installation (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default oms.now()
);
create unique index installation_is_one on oms.installation ((true));
insert into oms.installation default values;

-- One row, once a trace was sent: up to which ended job.
create table ops.traces_sent (
    finished_at timestamptz not null,
    job_id bigint not null
);
create unique index traces_sent_is_one on ops.traces_sent ((true));
"""


def upgrade() -> None:
    """Create the tables."""
    op.execute(TRACES)


def downgrade() -> None:
    """Remove them."""
    op.execute("drop table ops.traces_sent; drop table oms.installation")
