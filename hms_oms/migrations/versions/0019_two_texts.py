"""Nobody is called anew because an incident has changed its stage: what was kept for that goes."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the columns."""
    op.execute("alter table ops.incidents drop column called_for, drop column worsened")


def downgrade() -> None:
    """Add them again, as if people had been called about what shows now."""
    op.execute(
        "alter table ops.incidents add column called_for text,"
        " add column worsened boolean not null default false;"
        " update ops.incidents set called_for = rule where opened_at is not null"
    )
