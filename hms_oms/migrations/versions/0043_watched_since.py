"""Since when the leaders of a daemon have watched without a gap: a successor goes on from there."""

from __future__ import annotations

from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.execute(
        "alter table oms.leaders"
        " add column if not exists watched_since timestamptz not null default clock_timestamp()"
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("alter table oms.leaders drop column watched_since")
