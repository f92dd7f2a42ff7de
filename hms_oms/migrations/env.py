"""Alembic's entry: runs the migrations on the connection that hms_oms.database.schema.migrate hands over."""

from __future__ import annotations

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table_schema="public",
    version_table="hms_revision",
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
