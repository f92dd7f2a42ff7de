"""Statements that lock or are long: each in a file of its own under a folder sql/, run by name.

A file names its parameters `%(name)s`, so that it reads alike in psycopg2, in SQLAlchemy's
`exec_driver_sql` and as a prepared statement.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg2.errors import DuplicatePreparedStatement, InvalidSqlStatementName
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import cursor as Cursor  # noqa: N812 -- a class

from hms_oms.database.connections import RawConnection

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

_ROOT = Path(__file__).resolve().parent.parent.parent
_PARAMETER = re.compile(r"%\((\w+)\)s")


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

    The server plans it once per session, which saves about half of its time.
    """
    statement = _Prepared.of(name, package)
    is_first = connection.info.transaction_status == TRANSACTION_STATUS_IDLE
    if connection.pooled and is_first:
        # The pooler lends a session, and it may be another one each time.
        connection.prepared = None
    with connection.cursor() as cursor:
        if connection.prepared is not None:
            _run_prepared(connection, connection.prepared, cursor, statement, parameters)
        elif is_first and connection.autocommit:
            _run_in_some_session(connection, cursor, statement, parameters)
        else:
            # A name that this session does not know would end the transaction.
            cursor.execute(connection.preamble + statement.text, parameters)
        connection.statements += 1
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _run_prepared(
    connection: RawConnection,
    prepared: set[str],
    cursor: Cursor,
    statement: _Prepared,
    parameters: Mapping[str, Any],
) -> None:
    """Run a statement in a session of which it is known what has been prepared there."""
    if statement.name not in prepared:
        cursor.execute(statement.prepare, parameters)
        prepared.add(statement.name)
    # One message, and one transaction if none is open: the answer is that of the last statement.
    cursor.execute(connection.preamble + statement.execute, parameters)


def _run_in_some_session(
    connection: RawConnection, cursor: Cursor, statement: _Prepared, parameters: Mapping[str, Any]
) -> None:
    """Run a statement as if it were prepared in the session that the pooler lends; prepare it if it is not.

    A session keeps what was prepared there for all to whom it is lent, so each soon knows each statement.
    """
    try:
        cursor.execute(connection.preamble + statement.execute, parameters)
    except InvalidSqlStatementName:
        try:
            cursor.execute(statement.prepare + connection.preamble + statement.execute, parameters)
        except DuplicatePreparedStatement:
            # This time another session was lent.
            cursor.execute(connection.preamble + statement.text, parameters)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement as it is prepared, run when prepared, and run as it is.

    Its name tells its text: at a pooler programs of two releases may meet in one session.
    """

    name: str
    prepare: str
    execute: str
    text: str

    @classmethod
    @functools.cache
    def of(cls, name: str, package: str) -> _Prepared:
        body = text(name, package)
        asked = tuple(dict.fromkeys(_PARAMETER.findall(body)))
        places = {parameter: f"${place}" for place, parameter in enumerate(asked, start=1)}
        full_name = f"hms_{name}_{hashlib.sha256(body.encode()).hexdigest()[:8]}"
        arguments = ", ".join(f"%({parameter})s" for parameter in asked)
        return cls(
            full_name,
            f"prepare {full_name} as\n{_PARAMETER.sub(lambda match: places[match[1]], body)};\n",
            f"execute {full_name} ({arguments})" if arguments else f"execute {full_name}",
            body,
        )
