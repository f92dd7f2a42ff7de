"""Slots that are lost to steps that do not end at their limit, until their worker is replaced."""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add how many slots of a worker are lost, and the queues from which it takes nothing more."""
    op.execute(
        "alter table oms.workers add column slots_lost int not null default 0,"
        " add column left_queues text[] not null default '{}'"
    )


def downgrade() -> None:
    """Remove them."""
    op.execute("alter table oms.workers drop column slots_lost, drop column left_queues")
