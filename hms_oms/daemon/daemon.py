"""The life of a daemon: any number stand by, one leads, and the leader sleeps until it is needed."""

from __future__ import annotations

import logging
import math
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

import psycopg2
from sqlalchemy.exc import DBAPIError

from hms_oms.daemon import leader_election
from hms_oms.daemon.leader_election import Lease
from hms_oms.daemon.liveness import Sign
from hms_oms.daemon.renewal import Renewal
from hms_oms.database import connections as database
from hms_oms.database import sessions
from hms_oms.database.connections import RawConnection
from hms_oms.database.schema import schema_revision

log = logging.getLogger(__name__)

#: How often a stand-by looks whether the leader is gone, in seconds.
STANDBY_SECONDS = 0.5
#: How often a leader looks that cannot listen, in seconds.
POLL_SECONDS = 0.25
#: How long to wait before trying again after the database went away, in seconds: from, to.
BACKOFF_SECONDS = (0.2, 5.0)


class Daemon(Protocol):
    """What a leader does over and over.

    `least_seconds` is the time between two turns that even a stream of notifications does not shorten.
    """

    least_seconds: float

    def turn(self) -> float:
        """Do what is due now; return after how many seconds to look again if nobody calls earlier."""


class Stop:
    """Set by SIGTERM and SIGINT; wakes a sleeping loop at once."""

    def __init__(self) -> None:
        self.asked = False
        self._here, self._there = socket.socketpair()
        self._here.setblocking(False)

    def ask(self, *_: object) -> None:
        """Ask the loop to end after the present turn."""
        self.asked = True
        self._there.send(b".")

    def sleep(self, seconds: float, *connections: RawConnection) -> None:
        """Sleep until asked to stop, until one of the connections has something to say, or that long."""
        if seconds > 0 and not self.asked:
            waiting: list[socket.socket | RawConnection] = [self._here, *connections]
            select.select(waiting, [], [], seconds)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A Stop that SIGTERM and SIGINT ask; the former handlers come back afterwards."""
    stop = Stop()
    before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {
        number: signal.signal(number, stop.ask) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve(
    name: str,
    database_url: str,
    channels: Sequence[str],
    make: Callable[[Lease], Daemon],
    stop: Stop,
    home: Path,
) -> None:
    """Stand by as the daemon `name`, lead when nobody does, and start over when the database was away.

    Raises UnknownSchema for a database at a revision that this code does not know or that is too old.
    `make` gets the lease with the leader's own connection, which listens on `channels`. The process's sign of
    life is kept in `home`.
    """
    sign = Sign(home, name)
    try:
        _serve(name, database_url, channels, make, stop, sign)
    finally:
        sign.end()


def _serve(
    name: str,
    database_url: str,
    channels: Sequence[str],
    make: Callable[[Lease], Daemon],
    stop: Stop,
    sign: Sign,
) -> None:
    pause = BACKOFF_SECONDS[0]
    is_known = False
    while not stop.asked:
        try:
            sign.renew("connecting to the database")
            if not is_known:
                # Once: who runs while the database is migrated goes on.
                _require_known(database_url)
                is_known = True
            connection = database.connect(database_url, f"hms {name} standby")
            try:
                pause = BACKOFF_SECONDS[0]
                lease = _stand_by(name, connection, stop, sign)
                if lease is not None:
                    _lead(lease, database_url, channels, make, stop, sign)
            finally:
                connection.close()
        except (psycopg2.Error, DBAPIError) as error:
            # What a leader makes before its first turn may have asked by an engine.
            cause = error.orig if isinstance(error, DBAPIError) else error
            if cause is None or not database.is_gone(cause):
                raise
            log.warning(
                "%s: the database is away (%s); next try in %.1f s", name, type(cause).__name__, pause
            )
            sign.renew("waiting for the database")
            stop.sleep(pause)
            pause = min(pause * 2, BACKOFF_SECONDS[1])


def _require_known(database_url: str) -> None:
    try:
        schema_revision.require(database_url)
    except DBAPIError as error:
        raise error.orig or error from None


def _stand_by(name: str, connection: RawConnection, stop: Stop, sign: Sign) -> Lease | None:
    """Wait until the lease is vacant and take it; None where asked to stop before."""
    sessions.listen(connection, leader_election.CHANNEL)
    before, since = None, 0.0
    while not stop.asked:
        sign.renew("standing by")
        leader, now = leader_election.look(connection, name), time.monotonic()
        if leader != before:
            before, since = leader, now
        # One that stands still by our own clock has run out, whatever has become of the database's.
        if leader.vacant or now - since > leader_election.LEASE_SECONDS:
            term = leader_election.take(connection, name, leader)
            if term is not None:
                return Lease(name, term, connection)
        # A leader may have left while its lease was looked at: its word came with the answer.
        if not connection.notifies:
            stop.sleep(STANDBY_SECONDS, connection)
            connection.poll()
        connection.notifies.clear()
    return None


def _lead(
    lease: Lease,
    database_url: str,
    channels: Sequence[str],
    make: Callable[[Lease], Daemon],
    stop: Stop,
    sign: Sign,
) -> None:
    name, connection = lease.daemon, lease.connection
    renewal = Renewal(lease, lambda: database.connect(database_url, f"hms {name} lease"))
    renewal.start()
    try:
        with connection.cursor() as cursor:
            cursor.execute("select set_config('application_name', %s, false)", (f"hms {name} leader",))
        longest = math.inf if sessions.listen(connection, *channels) else POLL_SECONDS
        log.info("%s: leading (term %d)", name, lease.term)
        if channels and connection.pooled:
            log.warning(
                "%s: nothing can be listened to through a pooler, so it looks every %g s; for less, set"
                " HMS_DATABASE_DIRECT_URL to a way around it",
                name,
                POLL_SECONDS,
            )
        daemon = make(lease)
        while not stop.asked and not renewal.over:
            sign.renew("leading")
            seconds = min(_turn(name, daemon), longest)
            renewal.turns += 1
            stop.sleep(min(seconds, daemon.least_seconds))
            connection.poll()
            if not connection.notifies:
                stop.sleep(seconds - daemon.least_seconds, connection)
                connection.poll()
            connection.notifies.clear()
    except Exception as error:
        if not leader_election.is_over(error):
            raise
        renewal.over = True
    finally:
        renewal.end()
    if renewal.over:
        log.warning("%s: another process leads; standing by", name)


def _turn(name: str, daemon: Daemon) -> float:
    try:
        return daemon.turn()
    except Exception as error:
        if database.is_gone(error) or leader_election.is_over(error):
            raise
        # One bad turn must not end the daemon; what it left undone, the next one finds in the ledger.
        log.exception("%s: a turn failed", name)
        time.sleep(BACKOFF_SECONDS[0])
        return BACKOFF_SECONDS[0]
