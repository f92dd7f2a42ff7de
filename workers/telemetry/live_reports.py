"""Live reports: what running steps tell and ask; one thread of a process writes for all of them.

A step may tell its progress as often as it likes: the newest is written at most once a second, and what was
told last is written, too, whether the step speaks again or not.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

import psycopg2

from hms_oms.database import connections
from hms_oms.database.claiming import CLAIMING
from hms_oms.database.reconnecting import Line
from hms_oms.jobs.live import running
from hms_oms.jobs.live.running import StepProgress
from hms_oms.jobs.tickets import Ticket

log = logging.getLogger(__name__)

#: The ledger is written to, and asked for one step, at most this often, in seconds.
EVERY_SECONDS = 1.0


class Live(Protocol):
    """What a run needs to tell and to ask while it goes on."""

    def progress(self, ticket: Ticket, report: StepProgress) -> None:
        """Keep how far the step is."""

    def is_to_end(self, ticket: Ticket) -> bool:
        """Whether the step works for nothing."""


class LiveReports:
    """The live reports of one worker process."""

    def __init__(self, database_url: str, name: str) -> None:
        self._line = Line(database_url, name, CLAIMING)
        self._using = threading.Lock()
        self._changed = threading.Condition()
        self._newest: dict[Ticket, StepProgress] = {}
        self._writer: threading.Thread | None = None

    def progress(self, ticket: Ticket, report: StepProgress) -> None:
        """Have the writer note how far a step is; returns at once."""
        with self._changed:
            self._newest[ticket] = report
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="progress", daemon=True)
                self._writer.start()
            self._changed.notify()

    def is_to_end(self, ticket: Ticket) -> bool:
        """Ask the ledger whether a step works for nothing; while it is away, the step goes on."""
        try:
            with self._using:
                return running.is_to_end(self._line.connection(), ticket)
        except psycopg2.Error as error:
            self._line.drop()
            if not connections.is_passing(error):
                raise
            return False

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest)
                reports, self._newest = self._newest, {}
            try:
                with self._using:
                    running.note_progress(self._line.connection(), reports)
            except psycopg2.Error as error:
                self._line.drop()
                log.warning("progress is written later: %s", type(error).__name__)
                with self._changed:
                    # What was told since is newer.
                    self._newest = {**reports, **self._newest}
            time.sleep(EVERY_SECONDS)
