"""Workers that start nothing more, because their host is over a limit."""

from __future__ import annotations

from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

COLUMNS = """
alter table oms.workers
    add column if not exists memory_percent float8 not null default 0,
    -- Why it starts nothing more; null: it does.
    add column if not exists held_because text;
"""


def upgrade() -> None:
    """Add the columns."""
    op.execute(COLUMNS)


def downgrade() -> None:
    """Remove them."""
    op.execute("alter table oms.workers drop column memory_percent, drop column held_because")
