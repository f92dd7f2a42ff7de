"""Statistics of a table when it is four times as large as at the last ones; at twice they were a burden.

A cycle of thousands of jobs in a new ledger had its tables analyzed each second of its first minute.
That was a tenth of what it cost PostgreSQL.
"""

from __future__ import annotations

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

FUNCTION = """
create or replace function oms.refresh_statistics() returns void language plpgsql security definer
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
                > {times} * greatest(class.relpages, 4)
    loop
        execute format('analyze (skip_locked) %s', grown);
    end loop;
end $$
"""


def upgrade() -> None:
    """Analyze at four times the size."""
    op.execute(FUNCTION.replace("{times}", "4"))


def downgrade() -> None:
    """Analyze at twice the size."""
    op.execute(FUNCTION.replace("{times}", "2"))
