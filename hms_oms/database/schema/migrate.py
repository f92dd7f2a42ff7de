"""Brings the database to the revision that this code needs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, event, text

from hms_oms.database import connections
from hms_oms.database.schema.schema_revision import MIGRATIONS, needed

#: Two processes that start at once must not migrate at once (an arbitrary, fixed number).
_LOCK = 0x484D53
#: How often to ask for the lock while another process migrates, in seconds.
_LOCK_SECONDS = 0.2


def upgrade(database_url: str) -> str:
    """Apply every migration that is missing and return the revision; safe to run at any time, by many.

    Each is one transaction, so what fails leaves nothing behind. One that builds indexes while others write
    commits in between, and goes on where it was left when it is run again.
    """
    engine = connections.engine(database_url)
    with _alone(engine), engine.connect() as connection:
        event.listen(connection, "begin", _take_time)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return needed()


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the lock in a transaction of its own: through a pooler, too.

    It is asked for again and again, since a statement that waited for it would be waited for by those that
    build an index while others write.
    """
    with engine.connect() as connection:
        while not _locked(connection):
            connection.rollback()
            time.sleep(_LOCK_SECONDS)
        yield


def _locked(connection: Connection) -> bool:
    _take_time(connection)
    return bool(connection.scalar(text("select pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}))


def _take_time(connection: Connection) -> None:
    """Let a transaction stand still: a migration of much data may take its time between two statements."""
    connection.exec_driver_sql("set local idle_in_transaction_session_timeout = 0")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
