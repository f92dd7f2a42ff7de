"""How a daemon lives: any number stand by, one leads, and the leader sleeps until it is needed."""

from __future__ import annotations

import logging
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import psycopg2

from hms_oms import database, leadership
from hms_oms.database import Bare

log = logging.getLogger(__name__)

#: How often a stand-by asks whether the leader is gone, in seconds.
STANDBY_SECONDS = 1.0
#: How long to wait before trying again after the database went away, in seconds: from, to.
BACKOFF_SECONDS = (0.2, 5.0)


class Duty(Protocol):
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

    def sleep(self, seconds: float, *connections: Bare) -> None:
        """Sleep until asked to stop, until one of the connections has something to say, or that long."""
        if seconds > 0 and not self.asked:
            waiting: list[socket.socket | Bare] = [self._here, *connections]
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
    name: str, database_url: str, channels: Sequence[str], make: Callable[[Bare], Duty], stop: Stop
) -> None:
    """Stand by for the duty `name`, lead when the lock is free, and start over when the database was away.

    `make` gets the leader's own connection, which listens on `channels`. The lock lives in that
    connection: whoever loses the one has lost the other.
    """
    pause = BACKOFF_SECONDS[0]
    while not stop.asked:
        try:
            connection = database.connect(database_url, f"hms {name} standby")
            try:
                pause = BACKOFF_SECONDS[0]
                _lead(name, connection, channels, make, stop)
            finally:
                connection.close()
        except psycopg2.Error as error:
            if not database.is_gone(error):
                raise
            log.warning(
                "%s: the database is away (%s); next try in %.1f s", name, type(error).__name__, pause
            )
            stop.sleep(pause)
            pause = min(pause * 2, BACKOFF_SECONDS[1])


def _lead(
    name: str, connection: Bare, channels: Sequence[str], make: Callable[[Bare], Duty], stop: Stop
) -> None:
    while not stop.asked and not leadership.lead(connection, name):
        stop.sleep(STANDBY_SECONDS)
    if stop.asked:
        return
    with connection.cursor() as cursor:
        cursor.execute("select set_config('application_name', %s, false)", (f"hms {name} leader",))
        for channel in channels:
            cursor.execute(f"listen {channel}")
    log.info("%s: leading", name)
    duty = make(connection)
    while not stop.asked:
        seconds = _turn(name, duty)
        stop.sleep(min(seconds, duty.least_seconds))
        connection.poll()
        if not connection.notifies:
            stop.sleep(seconds - duty.least_seconds, connection)
            connection.poll()
        connection.notifies.clear()


def _turn(name: str, duty: Duty) -> float:
    try:
        return duty.turn()
    except Exception as error:
        if database.is_gone(error):
            raise
        # One bad turn must not end the duty; what it left undone, the next one finds in the ledger.
        log.exception("%s: a turn failed", name)
        time.sleep(BACKOFF_SECONDS[0])
        return BACKOFF_SECONDS[0]
