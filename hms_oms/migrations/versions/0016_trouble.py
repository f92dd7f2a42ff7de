"""What the dispatcher cannot do, though the rest goes on."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute("alter table oms.broker_state add column trouble text")


def downgrade() -> None:
    """Remove it."""
    op.execute("alter table oms.broker_state drop column trouble")
