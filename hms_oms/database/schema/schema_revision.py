"""Schema revisions: the one that this code needs, and the one that a database is at.

Apart from `migrate`, since every process asks and only `hms db upgrade` needs Alembic.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection

from hms_oms.database import connections
from hms_oms.runtime.errors import UnknownSchema

MIGRATIONS = Path(__file__).parents[2] / "migrations"


@cache
def needed() -> str:
    """The revision that this code needs."""
    return max(_known())


def applied(connection: Connection) -> str | None:
    """The revision that the database is at, or None if nothing was ever applied."""
    if connection.exec_driver_sql("select to_regclass('public.hms_revision')").scalar() is None:
        return None
    revision: str | None = connection.exec_driver_sql("select version_num from public.hms_revision").scalar()
    return revision


def require(database_url: str) -> None:
    """Raise UnknownSchema unless the database is at the revision that this code needs."""
    with connections.engine(database_url).connect() as connection:
        wrong = mismatch(applied(connection))
    if wrong is not None:
        raise wrong


def mismatch(revision: str | None) -> UnknownSchema | None:
    """What is wrong with a database at this revision, and what to do; None if this code needs just that."""
    if revision == needed():
        return None
    return UnknownSchema(revision, needed(), newer=revision is not None and revision not in _known())


@cache
def _known() -> frozenset[str]:
    # A migration's file is named after its revision: `0016_trouble.py`.
    return frozenset(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))
