"""When a badge was last shown: who has which role now."""

from __future__ import annotations

from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the moment."""
    op.execute("alter table oms.badges add column last_seen_at timestamptz")


def downgrade() -> None:
    """Remove it."""
    op.execute("alter table oms.badges drop column last_seen_at")
