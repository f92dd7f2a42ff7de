"""Which migrations of the packages of job types were applied."""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of revisions."""
    op.execute(
        "create table oms.package_revisions (package text, revision text,"
        " applied_at timestamptz not null default oms.now(), primary key (package, revision))"
    )


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table oms.package_revisions")
