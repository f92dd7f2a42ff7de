"""A connection whose transaction is not the step's that writes through it: it cannot commit or roll back."""

from __future__ import annotations

import functools
import re
from typing import Any

import psycopg2.extensions
from psycopg2.sql import Composable

from hms_oms.database.sessions import RawConnection

_ENDS = (
    r"(?:commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b)|begin|start\s+transaction"
    r"|prepare\s+transaction)\b"
)
#: What may begin a transaction or end it, at the front of a statement; inside a literal it does nothing.
_SUSPECT = re.compile(rf"(?:\A|;|\n|\*/)\s*{_ENDS}", re.IGNORECASE)
_ENDS_ONE = re.compile(rf"(?:\A|;)\s*{_ENDS}", re.IGNORECASE)
_LITERALS_AND_COMMENTS = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/", re.DOTALL
)


class TransactionHeld(Exception):
    """A step has tried to end the transaction in which it writes."""

    def __init__(self, attempt: str) -> None:
        super().__init__(
            f"{attempt} is not for a step: what it writes by run.connection is committed together with its"
            " completion. Return from the step to keep it, raise to undo it; `savepoint` undoes a part"
        )


def lend(connection: RawConnection) -> None:
    """Let a step write in a transaction that begins with its first statement."""
    connection.lent, connection.has_begun = True, False


def take_back(connection: RawConnection) -> None:
    """Have the transaction to ourselves again. Raises TransactionHeld if the step has ended it after all."""
    was_lent, connection.lent = connection.lent, False
    idle = psycopg2.extensions.TRANSACTION_STATUS_IDLE
    if (
        was_lent
        and connection.has_begun
        and not connection.closed
        and connection.info.transaction_status == idle
    ):
        raise TransactionHeld("what has ended the transaction")


class HeldConnection(RawConnection):
    """A connection of which, while it is lent to a step, only its holder ends the transaction."""

    def commit(self) -> None:
        """Commit, unless it is lent; `with connection` comes here, too."""
        self._require("commit()")
        super().commit()

    def rollback(self) -> None:
        """Roll back."""
        self._require("rollback()")
        super().rollback()

    def close(self) -> None:
        """Close."""
        self._require("close()")
        super().close()

    def reset(self) -> None:
        """Reset the session."""
        self._require("reset()")
        super().reset()

    def cursor(self, name: Any = None, cursor_factory: Any = None, **options: Any) -> Any:  # type: ignore[override]
        """Open a cursor; one of a step refuses statements that would end the transaction."""
        if self.lent:
            cursor_factory = _guarded(cursor_factory or psycopg2.extensions.cursor)
        return super().cursor(name, cursor_factory, **options)

    def _require(self, attempt: str) -> None:
        if self.lent:
            raise TransactionHeld(attempt)


@functools.cache
def _guarded(factory: type[Any]) -> type[Any]:
    class Guarded(factory):  # type: ignore[misc]
        """A cursor of a step."""

        def execute(self, query: Any, vars: Any = None) -> Any:
            """Run a statement, unless it would end the transaction."""
            _refuse_ends(query, self.connection)
            self.connection.has_begun = True
            return super().execute(query, vars)

        def executemany(self, query: Any, vars_list: Any) -> Any:
            """Run a statement for each of many values, unless it would end the transaction."""
            _refuse_ends(query, self.connection)
            self.connection.has_begun = True
            return super().executemany(query, vars_list)

    return Guarded


def _refuse_ends(query: Any, connection: RawConnection) -> None:
    if not connection.lent:
        return
    text = query.as_string(connection) if isinstance(query, Composable) else query
    text = text.decode(errors="replace") if isinstance(text, bytes | bytearray) else str(text)
    if not _SUSPECT.search(text):
        return
    match = _ENDS_ONE.search(_LITERALS_AND_COMMENTS.sub(" ", text))
    if match:
        raise TransactionHeld(f"`{match[0].lstrip('; ').strip()}`")
