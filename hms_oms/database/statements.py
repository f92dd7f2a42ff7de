"""Statements that lock or are long: each in a file of its own under a folder sql/, run by name.

A file names its parameters `%(name)s`, so that it reads alike in psycopg2, in SQLAlchemy's
`exec_driver_sql` and as a prepared statement.
"""

from __future__ import annotations

import functools
import re
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2.extras

from hms_oms.database.connections import RawConnection

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

_ROOT = Path(__file__).resolve().parent.parent.parent
_PARAMETER = re.compile(r"%\((\w+)\)s")
_prepared: weakref.WeakKeyDictionary[RawConnection, set[str]] = weakref.WeakKeyDictionary()


@functools.cache
def text(name: str, package: str = "hms_oms") -> str:
    """The statement kept in the file {name}.sql of a package; each has a name of its own there."""
    [path] = (_ROOT / package).rglob(f"{name}.sql")
    return path.read_text(encoding="utf-8")


def run(connection: Connection, name: str, parameters: Mapping[str, Any]) -> Sequence[RowMapping]:
    """Run a statement in the connection's transaction and return its rows."""
    result = connection.exec_driver_sql(text(name), dict(parameters))
    return result.mappings().all() if result.returns_rows else []


def run_raw(
    connection: RawConnection, name: str, parameters: Mapping[str, Any], package: str = "hms_oms"
) -> list[dict[str, Any]]:
    """Run a statement on a raw connection and return its rows.

    It is planned once per connection, which saves about half of its time; at a pooler each time, because what
    was prepared in one session is unknown in the next.
    """
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        known = _prepared.setdefault(connection, set())
        if not connection.pooled and name not in known:
            cursor.execute(_prepare(name, package))
            known.add(name)
        # One message, and one transaction if none is open: the answer is that of the last statement.
        asked = text(name, package) if connection.pooled else _execute(name, package)
        cursor.execute(connection.preamble + asked, parameters)
        connection.statements += 1
        return [dict(row) for row in cursor.fetchall()]


@functools.cache
def _names(name: str, package: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_PARAMETER.findall(text(name, package))))


@functools.cache
def _prepare(name: str, package: str) -> str:
    places = {parameter: f"${place}" for place, parameter in enumerate(_names(name, package), start=1)}
    body = _PARAMETER.sub(lambda match: places[match[1]], text(name, package)).replace("%%", "%")
    return f"prepare hms_{name} as\n{body}"


@functools.cache
def _execute(name: str, package: str) -> str:
    arguments = ", ".join(f"%({parameter})s" for parameter in _names(name, package))
    return f"execute hms_{name} ({arguments})" if arguments else f"execute hms_{name}"
