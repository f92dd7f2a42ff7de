"""An index for lists of late jobs by their deadline."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0053"
down_revision = "0052"
branch_labels = None
depends_on = None

NAME = "jobs_missed_deadlines"
#: Names nothing that a step changes; a job that ends in time has no entry.
DEFINITION = "(sla, id) where finished_at > sla"
VALID = text("select indisvalid from pg_index where indexrelid = to_regclass('oms.' || :name)")


def upgrade() -> None:
    """Build it while everybody goes on."""
    with op.get_context().autocommit_block():
        built = op.get_bind().scalar(VALID, {"name": NAME})
        if built is False:
            # It was interrupted half-way.
            op.execute(f"drop index concurrently oms.{NAME}")
        if not built:
            op.execute(f"create index concurrently {NAME} on oms.jobs {DEFINITION}")


def downgrade() -> None:
    """Drop it."""
    op.execute(f"drop index oms.{NAME}")
