"""Brings the database to the revision that this code needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from hms_oms import database
from hms_oms.errors import SchemaOutdated

#: Two processes that start at once must not migrate at once (an arbitrary, fixed number).
_LOCK = 0x484D53


def upgrade(database_url: str) -> str:
    """Apply every migration that is missing and return the revision; safe to run at any time, by many."""
    with database.engine(database_url).connect() as connection:
        connection.execute(text("select pg_advisory_lock(:lock)"), {"lock": _LOCK})
        connection.commit()
        try:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            connection.commit()
    return needed()


def needed() -> str:
    """The revision that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def applied(connection: Connection) -> str | None:
    """The revision that the database is at, or None where nothing was ever applied."""
    context = MigrationContext.configure(
        connection, opts={"version_table_schema": "public", "version_table": "hms_revision"}
    )
    return context.get_current_revision()


def require(connection: Connection) -> None:
    """Raise SchemaOutdated unless the database is at the revision that this code needs."""
    found = applied(connection)
    if found != needed():
        raise SchemaOutdated(found, needed())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
