"""Upkeep: what the leading dispatcher does a little at a time, beside its work.

It removes what is over its time, has the search find new jobs by its index, and adds months to the event log.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod

import psycopg2.errors
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from hms_oms.daemon import leader_election
from hms_oms.daemon.daemon import Stop
from hms_oms.daemon.leader_election import Lease
from hms_oms.jobs.queries import search
from hms_oms.retention import months
from hms_oms.retention.pruner import Pruner

log = logging.getLogger(__name__)

#: After a bite it rests this many times as long as that has taken: it works for a fifth of the time at most.
RESTS = 4.0
#: It rests for so long at least, in seconds, and after a bite that has failed.
LEAST_SECONDS, AGAIN_SECONDS = 0.02, 30.0
#: How often it is looked for words of new jobs, in seconds.
WORDS_SECONDS = 5.0
#: How often months are added to the event log where they are missing, in seconds.
MONTHS_SECONDS = 3600.0


class Upkeep(threading.Thread, ABC):
    """Takes one bite after the other, each a transaction behind the leader's fence, until its term is over.

    Nobody waits for its end: a bite that is cut off is taken back, and taken again by the next leader.
    """

    #: What does not happen while bites fail.
    undone: str

    def __init__(self, lease: Lease, engine: Engine, stop: Stop) -> None:
        super().__init__(name=type(self).__name__.lower(), daemon=True)
        self._lease = lease
        self._engine = engine
        self._stop_all = stop
        self._told = ""

    @abstractmethod
    def bite(self, connection: Connection) -> float:
        """Do the next piece of work in the transaction; how long to rest at least, in seconds."""

    def run(self) -> None:
        """Take bites until asked to stop, or until another process leads."""
        while not self._stop_all.asked:
            began = time.monotonic()
            try:
                with self._lease.beside(self._engine) as connection:
                    pause = self.bite(connection)
                self._told = ""
            except DBAPIError as error:
                if leader_election.is_over(error):
                    return
                pause = self._failed(error)
            except Exception:
                log.exception("%s: %s", self.name, self.undone)
                pause = AGAIN_SECONDS
            self._stop_all.sleep(max(pause, LEAST_SECONDS, RESTS * (time.monotonic() - began)))

    def _failed(self, error: DBAPIError) -> float:
        """Tell once why nothing is done, and what to do about it."""
        why = str(error.orig).strip().partition("\n")[0]
        if why != self._told:
            advice = ""
            if isinstance(error.orig, psycopg2.errors.InsufficientPrivilege):
                advice = "; the right is missing to its role: run `hms db grants dispatcher --apply`"
            log.warning("%s: %s (%s)%s", self.name, self.undone, why, advice)
            self._told = why
        return AGAIN_SECONDS


class Retention(Upkeep):
    """Removes what is over its time."""

    undone = "nothing is removed"

    def __init__(self, lease: Lease, engine: Engine, stop: Stop, pruner: Pruner) -> None:
        super().__init__(lease, engine, stop)
        self._pruner = pruner

    def bite(self, connection: Connection) -> float:
        """Remove a little."""
        removed = self._pruner.remove_next(connection)
        numbers = [f"{number} {kind}" for kind, number in removed.counts.items() if number]
        if numbers:
            log.info("retention: removed %s", ", ".join(numbers))
        return removed.pause


class Indexing(Upkeep):
    """Has the words of new jobs found by the index, soon after a file rather than while it is accepted."""

    undone = "words of new jobs are found by reading them all"

    def bite(self, connection: Connection) -> float:
        """Index the words of some jobs."""
        return 0.0 if search.index(connection) else WORDS_SECONDS


class LogMonths(Upkeep):
    """Has the event log in months for a quarter of a year ahead."""

    undone = "the event log has no new months"

    def bite(self, connection: Connection) -> float:
        """Add the months that are missing, and tell of lines that had none."""
        added = months.add(connection)
        if added.moved or added.unplaced:
            log.warning(
                "%s: %d lines had no month and moved into theirs, %d have none still:"
                " was no dispatcher up for months, or the clock set?",
                self.name,
                added.moved,
                added.unplaced,
            )
        return MONTHS_SECONDS
