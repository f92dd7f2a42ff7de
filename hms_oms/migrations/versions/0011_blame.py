"""Which losses a step is charged with, and how old a worker's word on its tickets is."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = """
alter table oms.jobs
    -- So often a worker was lost that ran this step among others.
    add column suspicions smallint not null default 0,
    -- The workers that were lost while they ran this step alone.
    add column lost_with text[] not null default '{}';
alter table oms.workers
    -- When the worker itself said which tickets it holds; its heartbeat may repeat that while it is busy.
    add column tickets_at timestamptz not null default oms.now();
"""
DOWN = """
alter table oms.jobs drop column suspicions, drop column lost_with;
alter table oms.workers drop column tickets_at;
"""


def upgrade() -> None:
    """Add the columns; existing rows are not rewritten."""
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    """Remove them."""
    op.get_bind().exec_driver_sql(DOWN)
