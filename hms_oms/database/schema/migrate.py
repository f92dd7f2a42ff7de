"""Brings the database to the revision that this code needs."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from hms_oms.database import connections
from hms_oms.database.schema.schema_revision import MIGRATIONS, needed

#: Two processes that start at once must not migrate at once (an arbitrary, fixed number).
_LOCK = 0x484D53


def upgrade(database_url: str) -> str:
    """Apply every migration that is missing and return the revision; safe to run at any time, by many.

    All in one transaction, as is the lock: through a pooler, too, and what fails leaves nothing behind.
    """
    with connections.engine(database_url).begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        # A migration of much data may take its time between two statements.
        connection.execute(text("set local idle_in_transaction_session_timeout = 0"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return needed()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
