"""Which workers are gone, said once for all who ask."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the function; as plain SQL it becomes part of the statement that asks."""
    op.execute("""
create function oms.gone_workers(gone float8, silent float8) returns table (id text, tickets text[])
stable language sql as $$
    -- Not heard for long, or not heard lately and no longer connected. When a process is killed its
    -- connections end at once; a silent one that is still connected may only be slow.
    select worker.id, worker.tickets
    from oms.workers as worker
    where worker.beat_at < oms.now() - gone * interval '1 second'
        or (
            worker.beat_at < oms.now() - silent * interval '1 second'
            and worker.backend_pid is not null
            and not exists (
                select from pg_stat_activity as backend
                where backend.pid = worker.backend_pid and backend.datname = current_database()
            )
        )
$$
""")


def downgrade() -> None:
    """Remove it."""
    op.execute("drop function oms.gone_workers")
