"""What the dispatcher sees of Redis, and a table that probes write to and roll back."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SILENCE = """
-- One row: the dispatcher's last report.
create table oms.broker_state (
    single boolean primary key default true check (single),
    reported_at timestamptz not null,
    refused_since timestamptz,
    kind text,   -- as out-of-memory
    words text,
    check ((kind is null) = (refused_since is null))
);
alter table oms.broker_state set (fillfactor = 50);

-- Always empty: whoever asks whether the ledger takes writes inserts a row and takes it back.
create table oms.write_probe (at timestamptz not null);
"""


def upgrade() -> None:
    """Create both tables."""
    op.execute(SILENCE)


def downgrade() -> None:
    """Remove both tables."""
    op.execute("drop table oms.broker_state, oms.write_probe")
