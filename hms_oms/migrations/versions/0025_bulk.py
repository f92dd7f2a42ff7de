"""Jobs without foreign keys: what each row was checked for is the same in all rows of a statement.

PostgreSQL looks up and locks the recipe and the cycle for each job that is inserted, which costs as much as
the insertion itself. Both are written by what accepts the jobs, and never removed.
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the foreign keys."""
    op.execute(
        "alter table oms.jobs"
        " drop constraint if exists jobs_recipe_id_fkey, drop constraint if exists jobs_batch_id_fkey"
    )


def downgrade() -> None:
    """Restore them."""
    op.execute(
        "alter table oms.jobs"
        " add constraint jobs_recipe_id_fkey foreign key (recipe_id) references oms.recipes,"
        " add constraint jobs_batch_id_fkey foreign key (batch_id) references oms.batches"
    )
