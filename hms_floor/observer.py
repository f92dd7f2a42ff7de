"""Looks at the servers and the ledger every two seconds, and knows how the installation stands.

Each server has a thread of its own, which may hang with it: a question that is not answered in time means
that the server is silent since its last answer. Nobody who asks for the snapshot ever waits for a server.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo

from sqlalchemy import Engine

from hms_oms.database import connections, probing
from hms_oms.database.refusals import SILENT, Refusal
from hms_ops import health
from hms_ops.health import Facts, Ledger, Part, Seen

log = logging.getLogger(__name__)

#: How often each server is asked, in seconds.
EVERY_SECONDS = 2.0
#: An answer that has not come after so many seconds is none.
PATIENCE_SECONDS = 2.5


@dataclass
class Question:
    """A question that a thread asks a server again and again; all moments are monotonic seconds."""

    name: str
    ask: Callable[[], Refusal | None]
    began: float = field(default_factory=time.monotonic)
    asking: bool = True
    refusal: Refusal | None = None
    #: When the server last did what it was asked, and whether there has been any answer.
    well_at: float = field(default_factory=time.monotonic)
    answered: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Ask for as long as the process lives."""
        while True:
            self.began, self.asking = time.monotonic(), True
            try:
                refusal = self.ask()
            except Exception as error:
                log.exception("%s could not be asked", self.name)
                refusal = Refusal("failed", f"cannot be asked ({type(error).__name__})")
            if refusal != self.refusal:
                log.warning("%s %s", self.name, refusal.words if refusal else "is back")
            self.refusal, self.asking = refusal, False
            if refusal is None:
                self.well_at = time.monotonic()
            self.answered.set()
            time.sleep(max(0.0, EVERY_SECONDS - (time.monotonic() - self.began)))

    def seen(self, now: float, clock: datetime) -> Seen:
        """How the server stands at `now`, which is `clock` on the wall."""
        waited = now - self.began if self.asking else 0.0
        refusal = self.refusal
        if waited > PATIENCE_SECONDS:
            refusal = SILENT
        if refusal is None:
            return Seen()
        return Seen(refusal, clock - timedelta(seconds=now - self.well_at))


class Observer:
    """How the installation stands, as it is seen from this process."""

    def __init__(self, database_url: str, broker_url: str, engine: Engine, zone: tzinfo) -> None:
        self._database_url = database_url
        self._engine = engine
        self._zone = zone
        self._redis = probing.redis_client(broker_url)
        self._connection: connections.RawConnection | None = None
        self._ledger: Ledger | None = None
        self._ledger_at = float("-inf")
        self._questions = {
            "PostgreSQL": Question("PostgreSQL", self._ask_postgresql),
            "Redis": Question("Redis", lambda: probing.redis_refusal(self._redis)),
            "the ledger": Question("the ledger", self._read),
        }

    def start(self) -> None:
        """Begin to look."""
        for name, question in self._questions.items():
            question.began = question.well_at = time.monotonic()
            threading.Thread(target=question.run, name=f"observe {name}", daemon=True).start()

    def parts(self, ledger: Ledger | None = None) -> list[Part]:
        """How each part stands now; anyone who has just read the ledger gives what it says."""
        facts = self.facts()
        if ledger is not None:
            facts = replace(facts, ledger=ledger, age=0.0)
        return health.judge(facts, self._zone)

    @property
    def looked(self) -> bool:
        """Whether every question has had its first answer, or the time for one."""
        now = time.monotonic()
        return all(
            question.answered.is_set() or now - question.began > PATIENCE_SECONDS
            for question in self._questions.values()
        )

    def waited_for_postgresql(self) -> float:
        """For how many seconds an answer of PostgreSQL has been waited for; 0 if none is."""
        question = self._questions["PostgreSQL"]
        return time.monotonic() - question.began if question.asking else 0.0

    def facts(self) -> Facts:
        """What is known now."""
        now, clock = time.monotonic(), datetime.now(UTC)
        answers = {name: question.seen(now, clock) for name, question in self._questions.items()}
        return Facts(answers["PostgreSQL"], answers["Redis"], self._ledger, now - self._ledger_at)

    def _ask_postgresql(self) -> Refusal | None:
        if self._connection is None or self._connection.closed:
            reached = probing.reached(self._database_url, "hms observer")
            if isinstance(reached, Refusal):
                return reached
            self._connection = reached
        refusal = probing.postgresql_refusal(self._connection)
        if refusal == SILENT:
            self._connection.close()
        return refusal

    def _read(self) -> Refusal | None:
        """Read what the ledger says; whether it answers at all is the other question."""
        asked = time.monotonic()
        try:
            # Each statement by itself: anyone who changes tables never has to wait for a look at all of them.
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                self._ledger = health.read(connection)
        except Exception as error:  # noqa: BLE001 -- the snapshot says that its facts grow old
            return Refusal("failed", f"cannot be read ({type(error).__name__})")
        self._ledger_at = asked
        return None
