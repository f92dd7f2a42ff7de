"""The door to PostgreSQL: engines for people's reads, bare connections for the loops and the workers."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import psycopg2
import psycopg2.extensions
from sqlalchemy import Engine, create_engine


class Bare(psycopg2.extensions.connection):
    """A connection of the loops and the workers."""

    #: What each statement's transaction begins with: the fence of a leader.
    preamble = ""
    #: How many statements have come to their end: a sign of life.
    statements = 0


#: Errors that mean the server or the way to it is gone, not that the statement was wrong.
GONE = (psycopg2.OperationalError, psycopg2.InterfaceError)

#: What a server says that shuts down, starts up, or lets nobody in: admin and crash shutdown, cannot connect
#: now, too many connections.
_AWAY = frozenset({"57P01", "57P02", "57P03", "53300"})

#: A server that went away without a word is given up after half a minute, not after a quarter of an hour.
_NOTICES_SILENCE: Mapping[str, Any] = {
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
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
    return create_engine(
        re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql+psycopg2://", url),
        pool_size=5,
        max_overflow=10,
        pool_pre_ping=True,
        # What is in an error goes into a log: the values of a statement are somebody's data.
        hide_parameters=True,
        connect_args={
            "connection_factory": Bare,
            "application_name": "hms",
            "connect_timeout": 5,
            **_NOTICES_SILENCE,
        },
    )


def connect(url: str, name: str, *, autocommit: bool = True, wait_for_disk: bool = True) -> Bare:
    """Open a connection of one's own, shown in pg_stat_activity as `name`.

    With `wait_for_disk` False a commit is acknowledged before it is on disk: only for changes that
    are made again by themselves when a crash of the server forgets them.
    """
    options: dict[str, Any] = {} if wait_for_disk else {"options": "-c synchronous_commit=off"}
    connection: Bare = psycopg2.connect(
        re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql://", url),
        connection_factory=Bare,
        application_name=name,
        connect_timeout=5,
        **_NOTICES_SILENCE,
        **options,
    )
    connection.autocommit = autocommit
    return connection
