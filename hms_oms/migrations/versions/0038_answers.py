"""Jobs whose clock stands, because they wait for an answer of the applicant."""

from __future__ import annotations

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

ANSWERS = """
alter table oms.jobs
    -- Since when its clock stands; null: it runs.
    add column if not exists held_at timestamptz,
    -- For so many seconds of its SLA it has stood before.
    add column if not exists held_seconds float8,
    -- Before this it may not start once it goes on.
    add column if not exists held_ready_at timestamptz;

-- One whose clock stands is ready behind all times.
create or replace function oms.on_hold() returns timestamptz immutable language sql as $$
    select timestamptz '9999-02-01 00:00:00+00'
$$;
"""

BEFORE = """
update oms.jobs set ready_at = held_ready_at where ready_at = oms.on_hold() and finished_at is null;
drop function oms.on_hold;
alter table oms.jobs drop column held_at, drop column held_seconds, drop column held_ready_at;
"""


def upgrade() -> None:
    """Add the columns; no clock stands."""
    op.execute(ANSWERS)


def downgrade() -> None:
    """Remove them; what was held is ready, by the deadline that it had."""
    op.execute(BEFORE)
