"""One leader per daemon: a lease in the ledger that its holder renews, and a fence around all that it writes.

The lease decides how soon another process leads, the fence that never two of them write: should a clock be
set, a process be stopped and woken, or a network be cut, a leader whose term is over can commit nothing more.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg2
import psycopg2.errors
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection

#: A leader that has not renewed its lease for this long is taken for gone, in seconds.
LEASE_SECONDS = 5.0
#: A transaction of a leader that stands still for this long is ended by the server, in seconds: a successor
#: waits for what is under way.
IDLE_SECONDS = 4.0
#: Between the last renewal of one leader and the next leader's start there may be so many seconds for the two
#: to have watched without a gap: heartbeats are no older then than this and one beat, and not taken for gone.
GAP_SECONDS = 3.0
#: The channel on which a leader that stops wakes those who stand by.
CHANNEL = "oms_leaders"

#: What `oms.fence` raises.
_OVER = "LEASE"
#: The fence's own corner of the advisory locks, as in `oms.fence`.
_NAMESPACE = 0x4F4D53

HOLDER = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Seen:
    """The lease of a daemon as it was seen; two that are equal show that nobody has renewed it in between."""

    term: int = 0
    renewals: int = 0
    vacant: bool = True


class Lease:
    """A term of leading `daemon`: what is written through it is written by the leader, or not at all.

    `connection` is the leader's own; each of its statements runs behind the fence.
    """

    def __init__(self, daemon: str, term: int, connection: RawConnection) -> None:
        self.daemon = daemon
        self.term = term
        self.connection = connection
        self._open: list[RawConnection] = []
        self._statements = 0
        # Not every transaction is one statement: between two of them the way to the server may be cut.
        connection.preamble += (
            f"select oms.fence({_literal(daemon)}, {term}),"
            f" set_config('idle_in_transaction_session_timeout', '{IDLE_SECONDS * 1000:.0f}', true);\n"
        )

    @contextmanager
    def begin(self, engine: Engine) -> Iterator[Connection]:
        """A transaction of the leader on another connection."""
        with engine.begin() as connection:
            own = connection.connection.driver_connection
            assert isinstance(own, RawConnection)
            event.listen(connection, "after_cursor_execute", self._count)
            self._open.append(own)
            try:
                self._fence(connection)
                yield connection
            finally:
                self._open.remove(own)

    @contextmanager
    def beside(self, engine: Engine) -> Iterator[Connection]:
        """A transaction of the leader in another thread, which says nothing of the daemon's progress."""
        with engine.begin() as connection:
            self._fence(connection)
            yield connection

    def statements(self) -> int:
        """How many statements have come to their end."""
        return self._statements + self.connection.statements

    def is_asking(self) -> bool:
        """Whether the server is at work on a statement now."""
        active = psycopg2.extensions.TRANSACTION_STATUS_ACTIVE
        return any(
            connection.get_transaction_status() == active for connection in (self.connection, *self._open)
        )

    def _fence(self, connection: Connection) -> None:
        connection.exec_driver_sql(
            "select oms.fence(%(daemon)s, %(term)s),"
            " set_config('idle_in_transaction_session_timeout', %(idle)s, true)",
            {"daemon": self.daemon, "term": self.term, "idle": f"{IDLE_SECONDS * 1000:.0f}"},
        )

    def _count(self, *_: object) -> None:
        self._statements += 1


def is_over(error: BaseException) -> bool:
    """Whether the fence has refused a statement: another process leads."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, psycopg2.Error) and cause.pgcode == _OVER


def look(connection: RawConnection, daemon: str) -> Seen:
    """How the lease of `daemon` stands."""
    rows = statements.run_raw(connection, "leader", {"daemon": daemon})
    return Seen(**rows[0]) if rows else Seen()


def take(connection: RawConnection, daemon: str, leader: Seen) -> int | None:
    """Take the lease as it was seen and return the term; None where another one was first.

    Waits for the transactions that the former leader has open, a moment each time.
    """
    before = connection.preamble
    connection.preamble += (
        "set local lock_timeout = '1s';"
        f" select pg_advisory_xact_lock({_NAMESPACE}, hashtext({_literal(daemon)}));\n"
    )
    try:
        rows = statements.run_raw(
            connection,
            "lead",
            {
                "daemon": daemon,
                "term": leader.term,
                "renewals": leader.renewals,
                "holder": HOLDER,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "backend_pid": _session(connection),
                "seconds": LEASE_SECONDS,
                "gap": GAP_SECONDS,
            },
        )
    except psycopg2.errors.LockNotAvailable:
        return None
    finally:
        connection.preamble = before
    return int(rows[0]["term"]) if rows else None


def watched(lease: Lease) -> float:
    """For how long this leader and those before it have watched without a gap, in seconds."""
    [row] = statements.run_raw(lease.connection, "watched", {"daemon": lease.daemon})
    return max(0.0, float(row["seconds"]))


def renew(connection: RawConnection, daemon: str, term: int, seconds: float) -> bool:
    """Renew the lease for so many seconds from now; False where the term is over."""
    parameters = {"daemon": daemon, "term": term, "seconds": seconds, "backend_pid": _session(connection)}
    return bool(statements.run_raw(connection, "renew", parameters))


def resign(connection: RawConnection, daemon: str, term: int) -> None:
    """Give the lease back: one who stands by leads at once."""
    statements.run_raw(connection, "resign", {"daemon": daemon, "term": term})


def _session(connection: RawConnection) -> int | None:
    return None if connection.pooled else connection.info.backend_pid


def _literal(daemon: str) -> str:
    if not daemon.isidentifier():
        raise ValueError(f"{daemon!r} cannot be the name of a daemon")
    return f"'{daemon}'"
