"""One definition of what came of a job's deadline, for every count of promises."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A failed job is a miss whenever it ended, a cancelled one counts for nothing, an open one once it is late.
# The same in Python: hms_oms.jobs.on_time. PostgreSQL inlines it.
KEPT = """
create function oms.kept(status text, ended timestamptz, deadline timestamptz, moment timestamptz)
returns text language sql immutable as $$
    select case
        when status = 'cancelled' then null
        when status = 'failed' then 'failed'
        when ended <= deadline then 'on time'
        when ended > deadline then 'late'
        when deadline < moment then 'open late'
    end
$$
"""


def upgrade() -> None:
    """Add the function."""
    op.execute(KEPT)


def downgrade() -> None:
    """Drop it."""
    op.execute("drop function oms.kept(text, timestamptz, timestamptz, timestamptz)")
