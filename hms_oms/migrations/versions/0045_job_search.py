"""The words by which people find jobs: those of the fields that a recipe shows, and of the key."""

from __future__ import annotations

from alembic import op

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

TABLE = """
create extension if not exists pg_trgm;
create table oms.job_search (
    job_id bigint primary key references oms.jobs on delete cascade,
    words text not null
);
create index job_search_words on oms.job_search using gin (words {schema}.gin_trgm_ops);
"""
SCHEMA = """
select quote_ident(nspname) from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
where extname = 'pg_trgm'
"""


def upgrade() -> None:
    """Add the table, with an index of what stands anywhere in it."""
    extension, table = TABLE.split(";", 1)
    op.execute(extension)
    schema = op.get_bind().exec_driver_sql(SCHEMA).scalar_one()
    op.execute(table.format(schema=schema))


def downgrade() -> None:
    """Remove it; the extension may have been there before."""
    op.execute("drop table oms.job_search")
