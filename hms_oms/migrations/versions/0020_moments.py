"""How each queue stood every five seconds of the last day."""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

MOMENTS = """
create table ops.moments (
    at timestamptz not null,
    queue text not null,
    open integer not null,
    late integer not null,
    done bigint,           -- since the watch began to look; null: it does not know
    primary key (at, queue)
);
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(MOMENTS)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table ops.moments")
