"""The ledger for commands that need it, and the name under which they change it."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ArgumentError

from hms_oms.database import connections
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.settings import Settings


def engine(configured: Settings | None = None) -> Engine:
    """The engine of the configured database. Raises ConfigError where there is none."""
    database_url, _ = (configured or settings.load()).servers()
    return engine_of(database_url)


def engine_of(database_url: str) -> Engine:
    """The engine of a database. Raises ConfigError where the URL is not one."""
    try:
        return connections.engine(database_url)
    except (ArgumentError, ValueError):
        # Their own words quote the URL, and with it the password.
        fault = "HMS_DATABASE_URL is not a URL: is every special character in it percent-encoded?"
        raise ConfigError([fault]) from None


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection on which everything is read at one moment."""
    with engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        yield connection


@contextmanager
def writing() -> Iterator[Connection]:
    """A connection whose changes are committed when the block ends well."""
    with engine().begin() as connection:
        yield connection


def who() -> str:
    """The login name of the person who runs this command, for the event log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an account, as in some containers
        return "unknown"
