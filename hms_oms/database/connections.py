"""Connections to PostgreSQL: engines for people's reads, raw connections for the loops and the workers."""

from __future__ import annotations

import functools
import os
import re
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psycopg2

from hms_oms.database.lending.held_connection import HeldConnection
from hms_oms.database.sessions import RawConnection as RawConnection
from hms_oms.database.sessions import settle

if TYPE_CHECKING:
    from sqlalchemy import Engine

#: Errors that mean the server or the way to it is gone, not that the statement was wrong.
GONE = (psycopg2.OperationalError, psycopg2.InterfaceError)

#: What a server says that shuts down, starts up, or lets nobody in: admin and crash shutdown, cannot connect
#: now, too many connections.
_AWAY = frozenset({"57P01", "57P02", "57P03", "53300"})

#: A server that went away without a word is given up within seconds, as it gives up silent clients.
_NOTICES_SILENCE: Mapping[str, Any] = {
    "keepalives_idle": 3,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 6000,
}


def is_gone(error: BaseException) -> bool:
    """Whether the server is gone; psycopg2 says so by a bare DatabaseError where it died without a word."""
    if isinstance(error, psycopg2.InterfaceError):
        return True
    # Codes of our own come as this type, too.
    if type(error) is psycopg2.DatabaseError:
        return error.pgcode is None
    # Deadlocks, time-outs and a full disk are operational errors, too, of a server that is there.
    return isinstance(error, psycopg2.OperationalError) and (
        error.pgcode is None or error.pgcode in _AWAY or error.pgcode.startswith("08")
    )


#: What passes, of a server that is there: a statement was cancelled or timed out, a lock was not had in time,
#: there was a deadlock, no space or memory was left, too many were connected, it is a standby, a file failed.
_PASSING = ("57014", "55P03", "40", "53", "25006", "25P03", "57P", "58")


def is_passing(error: BaseException) -> bool:
    """Whether the same work may well be done a moment later: the server is gone, or in trouble."""
    if is_gone(error):
        return True
    code = error.pgcode if isinstance(error, psycopg2.Error) else None
    return code is not None and code.startswith(_PASSING)


@functools.cache
def engine(url: str) -> Engine:
    """The pooled engine of this process for `url`; one per URL."""
    # Imported here, since the process that sends heartbeats needs none of it.
    from sqlalchemy import create_engine, event

    made = create_engine(
        "postgresql+psycopg2://",
        # SQLAlchemy does not read a URL that names several hosts; PostgreSQL's own library does.
        creator=lambda: _open(url, "hms"),
        pool_size=5,
        max_overflow=10,
        pool_pre_ping=True,
        # What is in an error goes into a log: the values of a statement are somebody's data.
        hide_parameters=True,
    )
    event.listen(made, "connect", lambda connection, _: settle(connection, {}))
    _engines.add(made)
    return made


_engines: weakref.WeakSet[Engine] = weakref.WeakSet()


def _leave_to_parent() -> None:
    """Forget the parent's sessions: a child that a pool puts in the place of another has them, too."""
    for made in _engines:
        made.dispose(close=False)


os.register_at_fork(after_in_child=_leave_to_parent)


def connect(
    url: str, name: str, settings: Mapping[str, str] | None = None, *, autocommit: bool = True
) -> RawConnection:
    """Open a connection of its own, shown in pg_stat_activity as `name`, with these settings."""
    connection = _open(url, name)
    settle(connection, settings or {})
    connection.autocommit = autocommit
    return connection


def _open(url: str, name: str) -> RawConnection:
    connection: RawConnection = psycopg2.connect(
        re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql://", url),
        connection_factory=HeldConnection,
        application_name=name,
        connect_timeout=5,
        **_NOTICES_SILENCE,
    )
    return connection
