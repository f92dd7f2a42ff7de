"""Indexes for lists of jobs: those that were late, and those of a time."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None

#: Neither names what a step changes.
INDEXES = {
    "jobs_missed": "((finished_at - sla)) where finished_at > sla",
    "jobs_created": "using brin (created_at) with (pages_per_range = 32, autosummarize = on)",
}
VALID = text("select indisvalid from pg_index where indexrelid = to_regclass('oms.' || :name)")


def upgrade() -> None:
    """Build them while everybody goes on."""
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            built = op.get_bind().scalar(VALID, {"name": name})
            if built is False:
                # It was interrupted half-way.
                op.execute(f"drop index concurrently oms.{name}")
            if not built:
                op.execute(f"create index concurrently {name} on oms.jobs {definition}")


def downgrade() -> None:
    """Drop them."""
    for name in INDEXES:
        op.execute(f"drop index oms.{name}")
