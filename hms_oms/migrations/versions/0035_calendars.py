"""Business calendars of queues: the office hours that their SLAs count in."""

from __future__ import annotations

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

CALENDARS = """
-- Rows are never changed: a job keeps the calendar that its deadline was computed by.
create table if not exists oms.calendars (
    id int generated always as identity primary key,
    hours text not null,             -- as Mo-Fr 08:00-16:00
    timezone text not null,
    holidays text,                   -- those of a country or a part of it, as US-IL; null: none
    created_at timestamptz not null default oms.now(),
    unique nulls not distinct (hours, timezone, holidays)
);
alter table oms.queues
    -- Null: time always counts.
    add column if not exists calendar_id int references oms.calendars,
    add column if not exists calendar_set_by text,
    add column if not exists calendar_set_at timestamptz;
alter table oms.jobs
    add column if not exists calendar_id int,
    -- From when its time counts, if that is not its SLA before its deadline.
    add column if not exists clock_from timestamptz;
"""

BEFORE = """
alter table oms.jobs drop column calendar_id, drop column clock_from;
alter table oms.queues drop column calendar_id, drop column calendar_set_by, drop column calendar_set_at;
drop table oms.calendars;
"""


def upgrade() -> None:
    """Add them; no queue has a calendar."""
    op.execute(CALENDARS)


def downgrade() -> None:
    """Remove them; accepted jobs keep their deadline."""
    op.execute(BEFORE)
