"""A connection to PostgreSQL that is opened when it is first used, and again after it broke."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hms_oms.database import connections
from hms_oms.database.connections import RawConnection


class Line:
    """One connection that is opened when it is first used, and again after it broke."""

    def __init__(
        self, url: str, name: str, settings: Mapping[str, str] | None = None, *, autocommit: bool = True
    ) -> None:
        self._open: Callable[[], RawConnection] = lambda: connections.connect(
            url, name, settings, autocommit=autocommit
        )
        self._connection: RawConnection | None = None

    def connection(self) -> RawConnection:
        """The open connection. Raises psycopg2.OperationalError while there is no server."""
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
        return self._connection

    def drop(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
