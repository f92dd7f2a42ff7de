"""The addresses under which calendars read the shifts: one holds at a time."""

from __future__ import annotations

from alembic import op

revision = "0050"
down_revision = "0049"
branch_labels = None
depends_on = None

TABLE = """
create table ops.oncall_feeds (
    id bigint generated always as identity primary key,
    made_by text not null,
    made_at timestamptz not null default oms.now(),
    revoked_by text,
    revoked_at timestamptz,
    check ((revoked_by is null) = (revoked_at is null))
);
create unique index oncall_feeds_in_force on ops.oncall_feeds ((true)) where revoked_at is null;
"""


def upgrade() -> None:
    """Add the table."""
    op.execute(TABLE)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table ops.oncall_feeds")
