"""When the ledger was restored from a backup, and what was under way in it then."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

RESTORES = """
create table oms.restores (
    id bigint generated always as identity primary key,
    restored_at timestamptz not null default oms.now(),
    -- What the backup itself says; null if another tool has made it.
    backup_at timestamptz,
    found jsonb not null
);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(RESTORES)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table oms.restores")
