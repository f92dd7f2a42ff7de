"""An index of the texts whose answer was lost: they are asked for first."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0055"
down_revision = "0054"
branch_labels = None
depends_on = None

NAME = "messages_lost"
DEFINITION = "(page, due_at, id) where state = 'unknown'"
VALID = text("select indisvalid from pg_index where indexrelid = to_regclass('oms.' || :name)")


def upgrade() -> None:
    """Build it while everybody goes on."""
    with op.get_context().autocommit_block():
        built = op.get_bind().scalar(VALID, {"name": NAME})
        if built is False:
            # It was interrupted half-way.
            op.execute(f"drop index concurrently oms.{NAME}")
        if not built:
            op.execute(f"create index concurrently {NAME} on oms.messages {DEFINITION}")


def downgrade() -> None:
    """Drop it."""
    op.execute(f"drop index oms.{NAME}")
