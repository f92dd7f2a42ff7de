"""A worker behind a pooler has no session of its own that its heartbeats come through."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let a worker be without a session."""
    op.execute("alter table oms.workers alter column backend_pid drop not null")


def downgrade() -> None:
    """Give those without one a session that does not exist."""
    op.execute("update oms.workers set backend_pid = 0 where backend_pid is null")
    op.execute("alter table oms.workers alter column backend_pid set not null")
