"""Renews a lease beside the daemon, for as long as the daemon's turns go on.

A thread of its own, so that a turn may take long; and it looks at the daemon's progress, so that a turn that
hangs loses the lease although this thread lives.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

import psycopg2

from hms_oms.daemon import leader_election
from hms_oms.daemon.leader_election import LEASE_SECONDS, Lease
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection

log = logging.getLogger(__name__)

#: How often a lease is renewed, and how soon it is tried again when the database is away; in seconds.
RENEW_SECONDS = 1.0
AGAIN_SECONDS = 0.2
#: The lease of a turn that makes no progress ends after this long, in seconds. Progress is a turn or a
#: statement that has come to its end, or a statement that the server is at work on: another leader would have
#: to wait for the same.
STUCK_SECONDS = 8.0


class Renewal(threading.Thread):
    """Renews `lease` from `start` to `end`; `over` once another process leads."""

    def __init__(self, lease: Lease, connect: Callable[[], RawConnection]) -> None:
        super().__init__(name=f"{lease.daemon} lease", daemon=True)
        self.over = False
        self.turns = 0
        self._lease = lease
        self._connect = connect
        self._connection: RawConnection | None = None
        self._ended = threading.Event()
        self._daemon_thread = threading.get_ident()
        self._still = 0.0
        self._looked = time.monotonic()
        self._progress = (0, 0)

    def run(self) -> None:
        """Renew until the end, or until the term is over."""
        pause = 0.0
        while not self._ended.wait(pause):
            pause = self._renew()
        if self._connection is not None:
            self._connection.close()

    def end(self) -> None:
        """Renew no more and give the lease back, if it is still ours and the database takes it."""
        self._ended.set()
        self.join()
        if self.over:
            return
        try:
            connection = self._connect()
            try:
                leader_election.resign(connection, self._lease.daemon, self._lease.term)
            finally:
                connection.close()
        except psycopg2.Error as error:
            log.warning("%s: the lease runs out by itself (%s)", self._lease.daemon, type(error).__name__)

    def _renew(self) -> float:
        seconds = min(LEASE_SECONDS, STUCK_SECONDS - self._stillness())
        if seconds <= 0:
            return RENEW_SECONDS
        try:
            if self._connection is None:
                self._connection = self._connect()
            self.over = not leader_election.renew(
                self._connection, self._lease.daemon, self._lease.term, seconds
            )
        except psycopg2.Error as error:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            if not connections.is_gone(error):
                log.exception("%s: the lease was not renewed", self._lease.daemon)
            return AGAIN_SECONDS
        if self.over:
            self._ended.set()
        return RENEW_SECONDS

    def _stillness(self) -> float:
        """For how many seconds the daemon has made no progress while this thread was there to see it."""
        progress, now = (self.turns, self._lease.statements()), time.monotonic()
        # The process may have been stopped as a whole: that is no stillness of the daemon.
        seconds, self._looked = min(now - self._looked, 2 * RENEW_SECONDS), now
        if progress != self._progress or self._lease.is_asking():
            self._progress = progress
            self._still = 0.0
        elif self._still < STUCK_SECONDS <= self._still + seconds:
            self._still += seconds
            self._tell()
        else:
            self._still += seconds
        return self._still

    def _tell(self) -> None:
        frame = sys._current_frames().get(self._daemon_thread)
        where = "".join(traceback.format_stack(frame)) if frame is not None else ""
        log.error("%s: a turn hangs; the lease is left to another process\n%s", self._lease.daemon, where)
