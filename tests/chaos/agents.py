"""Agents: threads of the storm that reserve, work, extend and report, and now and then walk away."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeVar

import psycopg2

from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import reservations
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.reservations import LeaseLost, Reservation
from tests.chaos.executions import DONE, FAILED, LEFT, Record

QUEUE = "bench"
#: A reservation that nobody reports is void after this long, in seconds.
LEASE_SECONDS = 6.0
#: How long to wait for a database that is away, in seconds.
PAUSE_SECONDS = 0.2

_Answer = TypeVar("_Answer")


class Agent(threading.Thread):
    """One agent with a connection of its own, which it opens again when it breaks."""

    def __init__(self, name: str, database_url: str, record: Record) -> None:
        super().__init__(name=name, daemon=True)
        self._url = database_url
        self._record = record
        self._connection: RawConnection | None = None
        self._over = threading.Event()

    def run(self) -> None:
        """Judge whatever comes until told to leave."""
        while not self._over.is_set():
            result = self._patiently(
                lambda line: reservations.reserve(line, QUEUE, agent=self.name, lease=LEASE_SECONDS, wait=0.5)
            )
            if result is not None:
                try:
                    self._judge(result)
                except LeaseLost:
                    continue
        if self._connection is not None:
            self._connection.close()

    def leave(self) -> None:
        """Finish what is under way, and reserve no more."""
        self._over.set()
        self.join()

    def _judge(self, result: Reservation) -> None:
        ticket = result.ticket
        wish = result.payload["work"][ticket.step]
        run = self._record.begin(ticket.job, ticket.step, ticket.attempt, os.getpid())
        self._over.wait(wish["seconds"])
        # What goes wrong goes wrong the first time only.
        how = wish["how"] if ticket.attempt == 2 else "done"
        if how == "leave":
            self._record.end(run, LEFT)
        elif how == "fail":
            self._record.end(run, FAILED)
            self._patiently(
                lambda line: reservations.report_failure(line, result, "not today", retry_after=0.1)
            )
        else:
            if how == "extend":
                self._patiently(lambda line: reservations.extend(line, result, LEASE_SECONDS))
            self._record.end(run, DONE)
            self._patiently(lambda line: reservations.report_done(line, result, Done({"run": run})))

    def _patiently(self, work: Callable[[RawConnection], _Answer]) -> _Answer | None:
        """Do it, again and again while the database is away; None where it is time to leave."""
        while True:
            try:
                if self._connection is None:
                    self._connection = connections.connect(self._url, self.name)
                return work(self._connection)
            except psycopg2.Error:
                if self._connection is not None:
                    self._connection.close()
                self._connection = None
                if self._over.wait(PAUSE_SECONDS):
                    return None
