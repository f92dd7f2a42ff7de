"""How far a step that runs is, as it tells."""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; it is null for all jobs there are."""
    op.execute("alter table oms.jobs add column progress jsonb")


def downgrade() -> None:
    """Remove it."""
    op.execute("alter table oms.jobs drop column progress")
