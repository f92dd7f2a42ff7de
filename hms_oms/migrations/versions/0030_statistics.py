"""Statistics for a ledger that grows faster than autovacuum looks: its statements are planned for its size.

A session plans a statement once. In a ledger that was empty then, the plan reads tables from end to end, and
goes on to when they are long, until ANALYZE makes the session plan again. Autovacuum comes once a minute, and
to jobs after tens of thousands of changes.
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the function; it runs with its owner's rights, since only owners may analyze."""
    op.execute("""
create function oms.refresh_statistics() returns void language plpgsql security definer
set search_path = pg_catalog as $$
declare
    grown regclass;
begin
    for grown in
        select class.oid
        from pg_class as class
        join pg_namespace as namespace on namespace.oid = class.relnamespace
        where class.relkind = 'r'
            and class.relowner = current_user::regrole
            and namespace.nspname <> 'information_schema' and namespace.nspname not like 'pg\\_%'
            -- To read fewer pages than this from end to end costs no more than to look into an index.
            and pg_relation_size(class.oid) / current_setting('block_size')::int
                > 2 * greatest(class.relpages, 4)
    loop
        execute format('analyze (skip_locked) %s', grown);
    end loop;
end $$
""")


def downgrade() -> None:
    """Remove it."""
    op.execute("drop function oms.refresh_statistics")
