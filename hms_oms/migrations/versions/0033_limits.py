"""Keys that are unique for a while, and limits of how many jobs run at once: of one key, of one queue."""

from __future__ import annotations

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

COLUMNS = """
alter table oms.jobs
    -- Of a job that was started with a key that is unique within a time or a state only.
    add column if not exists unique_key text,
    -- So many jobs with this key may be in flight at once. One that waits for others with its key stands
    -- behind all times (oms.held_back) until the dispatcher lets it into the backlog.
    add column if not exists limit_key text,
    add column if not exists limit_at_once int check (limit_at_once > 0);
alter table oms.queues
    add column if not exists at_once int check (at_once > 0),
    add column if not exists at_once_set_by text,
    add column if not exists at_once_set_at timestamptz;

create or replace function oms.held_back() returns timestamptz immutable language sql as $$
    select timestamptz '9999-01-01 00:00:00+00'
$$;
"""

#: Each index is named after its reader.
INDEXES = {
    "jobs_unique": "(type, unique_key, id) where unique_key is not null",
    "jobs_held_back": "(limit_key, band, (-priority), due, id)"
    " where finished_at is null and ready_at = timestamptz '9999-01-01 00:00:00+00'",
    "jobs_let_in": "(limit_key) where limit_key is not null and finished_at is null and ready_at is null",
}


def upgrade() -> None:
    """Add the columns, and build the indexes while everything goes on."""
    op.execute(COLUMNS)
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            op.execute(f"drop index concurrently if exists oms.{name}")
            op.execute(f"create index concurrently {name} on oms.jobs {definition}")


def downgrade() -> None:
    """Remove them; what was held back comes into the backlog."""
    op.execute("""
update oms.jobs set ready_at = null where ready_at = oms.held_back() and finished_at is null;
drop index oms.jobs_unique, oms.jobs_held_back, oms.jobs_let_in;
drop function oms.held_back;
alter table oms.jobs drop column unique_key, drop column limit_key, drop column limit_at_once;
alter table oms.queues drop column at_once, drop column at_once_set_by, drop column at_once_set_at;
""")
