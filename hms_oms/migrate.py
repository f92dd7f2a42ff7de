"""Brings the database to the revision that this code needs."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from hms_oms import database
from hms_oms.errors import UnknownSchema

#: Two processes that start at once must not migrate at once (an arbitrary, fixed number).
_LOCK = 0x484D53


def upgrade(database_url: str) -> str:
    """Apply every migration that is missing and return the revision; safe to run at any time, by many.

    All in one transaction, as is the lock: through a pooler, too, and what fails leaves nothing behind.
    """
    with database.engine(database_url).begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        # A migration of much data may take its time between two statements.
        connection.execute(text("set local idle_in_transaction_session_timeout = 0"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return needed()


@cache
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


def require(database_url: str) -> None:
    """Raise UnknownSchema unless the database is at the revision that this code needs."""
    with database.engine(database_url).connect() as connection:
        found = mismatch(applied(connection))
    if found is not None:
        raise found


def mismatch(found: str | None) -> UnknownSchema | None:
    """What is wrong with a database at this revision, and what to do; None if this code needs just that."""
    if found == needed():
        return None
    return UnknownSchema(found, needed(), newer=found is not None and found not in _known())


@cache
def _known() -> frozenset[str]:
    script = ScriptDirectory.from_config(_config())
    return frozenset(revision.revision for revision in script.walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config
