"""Retention: the leading dispatcher removes what is over its time, a little at a time, beside its work."""

from __future__ import annotations

import logging
import threading
import time

import psycopg2.errors
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from hms_oms.daemon import leader_election
from hms_oms.daemon.daemon import Stop
from hms_oms.daemon.leader_election import Lease
from hms_oms.retention.pruner import Pruner

log = logging.getLogger(__name__)

#: After a bite it rests this many times as long as that has taken: it works for a fifth of the time at most.
RESTS = 4.0
#: It rests for so long at least, in seconds, and after a bite that has failed.
LEAST_SECONDS, AGAIN_SECONDS = 0.02, 30.0


class Retention(threading.Thread):
    """Takes one bite after the other, each a transaction behind the leader's fence, until its term is over.

    Nobody waits for its end: a bite that is cut off is taken back, and taken again by the next leader.
    """

    def __init__(self, lease: Lease, engine: Engine, pruner: Pruner, stop: Stop) -> None:
        super().__init__(name="retention", daemon=True)
        self._lease = lease
        self._engine = engine
        self._pruner = pruner
        self._stop_all = stop
        self._told = ""

    def run(self) -> None:
        """Remove until asked to stop, or until another process leads."""
        while not self._stop_all.asked:
            began = time.monotonic()
            try:
                pause = self._remove_next()
            except DBAPIError as error:
                if leader_election.is_over(error):
                    return
                pause = self._failed(error)
            except Exception:
                log.exception("retention: nothing is removed")
                pause = AGAIN_SECONDS
            self._stop_all.sleep(max(pause, LEAST_SECONDS, RESTS * (time.monotonic() - began)))

    def _remove_next(self) -> float:
        with self._lease.beside(self._engine) as connection:
            removed = self._pruner.remove_next(connection)
        self._told = ""
        numbers = [f"{number} {kind}" for kind, number in removed.counts.items() if number]
        if numbers:
            log.info("retention: removed %s", ", ".join(numbers))
        return removed.pause

    def _failed(self, error: DBAPIError) -> float:
        """Tell once why nothing is removed, and what to do about it."""
        why = str(error.orig).strip().partition("\n")[0]
        if why != self._told:
            advice = ""
            if isinstance(error.orig, psycopg2.errors.InsufficientPrivilege):
                advice = "; the right is missing to its role: run `hms db grants dispatcher --apply`"
            log.warning("retention: nothing is removed (%s)%s", why, advice)
            self._told = why
        return AGAIN_SECONDS
