"""Ledger session of a worker process: claims and reports of its threads, over shared connections.

Claims and reports that come at the same time go out as one statement each (group commit). When the
database is away the session waits for it: what was finished meanwhile is recorded as soon as it is back, if
the ledger still says that it is ours.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any, TypeVar

import psycopg2
import psycopg2.errors
from sqlalchemy.exc import DBAPIError

from hms_oms.database import connections, sessions
from hms_oms.database.claiming import CLAIMING, REPORTING
from hms_oms.database.connections import RawConnection
from hms_oms.database.group_commit import GroupCommit
from hms_oms.database.lending import held_connection
from hms_oms.database.reconnecting import Line
from hms_oms.jobs import ledger, losses, workers
from hms_oms.jobs.records import Claimed, Completion, Progress
from hms_oms.jobs.tickets import Ticket
from hms_oms.jobs.workers import session_name
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import RecipeUnreadable
from workers.claiming.slots import Slots
from workers.telemetry.live_reports import LiveReports

log = logging.getLogger(__name__)

#: How soon a claim is tried again while this worker is not heard, in seconds.
CLAIM_AGAIN_SECONDS = 0.1
#: A report of a failure may take so long, in seconds.
REPORT_SECONDS = 60.0
#: How long to wait before asking an absent database again, in seconds: from, to.
BACKOFF_SECONDS = (0.1, 2.0)

_Answer = TypeVar("_Answer")


def patiently(line: Line, work: Callable[[RawConnection], _Answer]) -> _Answer:
    """Run `work` on the line's connection, again and again until the database takes it.

    For work that may be done twice: each verb of the ledger moves a row once only. Neither a server that is
    away nor one that cancels statements or has no room left is the fault of the job.
    """
    pause = BACKOFF_SECONDS[0]
    while True:
        try:
            return work(line.connection())
        except psycopg2.errors.DeadlockDetected:
            log.info("two batches met on the same rows; trying again")
        except psycopg2.Error as error:
            if not connections.is_passing(error):
                raise
            line.drop()
            log.warning("the ledger takes nothing (%s); next try in %.1f s", type(error).__name__, pause)
            time.sleep(pause)
            pause = min(pause * 2, BACKOFF_SECONDS[1])


class Refused(Enum):
    """Why a good ticket was not claimed."""

    #: The worker is not heard, or was not when it claimed: it is to ask again.
    SILENT = 1
    #: The step is suspected of having ended a worker: it runs with no other beside it.
    SUSPECT = 2


class LedgerSession:
    """What the threads of one worker process share.

    With `shared` a step that ends the process takes those beside it along; in a pool of processes each is
    alone.
    """

    def __init__(self, database_url: str, worker: str, *, shared: bool) -> None:
        self.worker = worker
        self.is_shared = shared
        self.live = LiveReports(database_url, session_name("progress", worker))
        self._slots = Slots()
        self._url = database_url
        # What is reported as done must be on the disk; a claim need not be.
        self._claiming = Line(database_url, session_name("claims", worker), CLAIMING)
        self._reporting = Line(database_url, session_name("reports", worker), REPORTING)
        self._claims: GroupCommit[tuple[Ticket, float, bool], Claimed | Refused] = GroupCommit(self.claim)
        self._reports: GroupCommit[Completion, Progress] = GroupCommit(self._complete)
        self._recipes: Mapping[int, Recipe] = {}
        #: When the last claims and reports were sent, by the monotonic clock: answers may come much later.
        self.claims_sent_at = self.reports_sent_at = 0.0
        self._own = threading.local()

    @contextmanager
    def claimed(self, ticket: Ticket, lease: float) -> Iterator[Claimed | None]:
        """Hold a slot and, in it, the claim to a step for `lease` seconds; None if the ticket is void."""
        self._slots.enter()
        try:
            yield self._claimed(ticket, lease)
        finally:
            self._slots.end_step()

    def claim(self, asked: Sequence[tuple[Ticket, float, bool]]) -> Sequence[Claimed | Refused | None]:
        """Claim steps, each for so many seconds, where it is alone or not; the answers in their order."""
        # The same ticket twice in one batch is one claim: the first asker has it.
        leases = {ticket: lease for ticket, lease, _ in reversed(asked)}
        alone = {ticket for ticket, _, is_alone in asked if is_alone}
        answers = patiently(self._claiming, lambda connection: self._answers(connection, leases, alone))
        return [answers.pop(ticket, None) for ticket, _, _ in asked]

    def _claimed(self, ticket: Ticket, lease: float) -> Claimed | None:
        alone = not self.is_shared
        answer = self._claims.ask((ticket, lease, alone))
        while isinstance(answer, Refused):
            if answer is Refused.SUSPECT and not alone:
                log.warning("%s runs alone: a worker was lost that ran it among others", ticket)
                self._slots.be_alone()
                alone = True
            else:
                time.sleep(CLAIM_AGAIN_SECONDS)
            answer = self._claims.ask((ticket, lease, alone))
        return answer

    def complete(self, completion: Completion) -> Progress | None:
        """Report a step as done; where the job stands now, or None where the report is too late."""
        return self._reports.ask(completion)

    def record(self, completions: Sequence[Completion]) -> Sequence[Progress | Exception | None]:
        """Report steps as done; in their order what `complete` answers, or the error that it raises."""
        try:
            return self._complete(completions)
        except Exception as error:  # noqa: BLE001 -- handed to those who have reported
            if len(completions) == 1:
                return [error]
            # Whose report is it? The others should not suffer for it.
            return [answer for completion in completions for answer in self.record([completion])]

    def fail(self, ticket: Ticket, error: Mapping[str, Any], retry_after: float | None) -> str | None:
        """Report a step as failed; the job's status now, or None where the report is too late."""
        line = self._effects()
        return patiently(
            line,
            lambda connection: _in_transaction(
                connection,
                lambda: ledger.fail(connection, ticket, error, retry_after=retry_after, worker=self.worker),
            ),
        )

    def effects(self, limit: float) -> RawConnection:
        """This thread's connection for what a step of this time limit writes together with its completion."""
        return patiently(self._effects(), lambda connection: _begun(connection, limit))

    def complete_with_effects(self, connection: RawConnection, completion: Completion) -> Progress | None:
        """Complete a step in the transaction that holds its effects: both are kept, or neither.

        Raises psycopg2.Error if the database does not take it; the effects are then undone. Raises
        TransactionHeld if the step has ended the transaction.
        """
        held_connection.take_back(connection)
        made = self._advance(connection, [completion]).get(completion.ticket)
        if made is None:
            connection.rollback()
        else:
            connection.commit()
        return made

    def lose(self, ticket: Ticket) -> None:
        """Give a step back whose transaction was lost with the database: nobody's failure."""
        patiently(
            self._effects(),
            lambda connection: _in_transaction(
                connection,
                lambda: losses.lose(connection, [ticket], "the database did not take it", blame="none"),
            ),
        )

    def undo(self) -> None:
        """Throw away what this thread's step has written."""
        line = self._effects()
        try:
            connection = line.connection()
            connection.lent = False
            connection.rollback()
        except connections.GONE:
            line.drop()

    def break_off(self) -> None:
        """Close this thread's session: a limit may have struck in the midst of what we note of it."""
        self._effects().drop()

    def recipe(self, recipe_id: int) -> Recipe:
        """The recipe that a job was accepted under. Raises RecipeUnreadable."""
        if recipe_id not in self._recipes:
            patiently(self._effects(), lambda _: self._learn())
        if recipe_id not in self._recipes:
            raise RecipeUnreadable(recipe_id)
        return self._recipes[recipe_id]

    def _learn(self) -> None:
        try:
            with connections.engine(self._url).connect() as connection:
                self._recipes = registry.snapshots(connection)
        except DBAPIError as error:
            raise psycopg2.OperationalError(str(type(error.orig))) from None

    def _effects(self) -> Line:
        line: Line | None = getattr(self._own, "line", None)
        if line is None:
            line = self._own.line = Line(self._url, session_name("effects", self.worker), autocommit=False)
        return line

    def _answers(
        self, connection: RawConnection, leases: Mapping[Ticket, float], alone: Collection[Ticket]
    ) -> dict[Ticket, Claimed | Refused]:
        self.claims_sent_at = time.monotonic()
        claims = ledger.claim(
            connection, list(leases.items()), self.worker, alone=alone, heartbeat_within=workers.GONE_SECONDS
        )
        answers: dict[Ticket, Claimed | Refused] = dict(claims)
        left = [ticket for ticket in leases if ticket not in claims]
        if left:
            good = ledger.claimable(connection, left, self.worker, workers.GONE_SECONDS)
            for ticket, (lives, is_suspected) in good.items():
                is_to_be_alone = lives and is_suspected and ticket not in alone
                answers[ticket] = Refused.SUSPECT if is_to_be_alone else Refused.SILENT
        return answers

    def _complete(self, asked: Sequence[Completion]) -> Sequence[Progress | None]:
        tries = itertools.count()
        made = patiently(self._reporting, lambda connection: self._recorded(connection, asked, next(tries)))
        return [made.pop(completion.ticket, None) for completion in asked]

    def _recorded(
        self, connection: RawConnection, asked: Sequence[Completion], before: int
    ) -> dict[Ticket, Progress]:
        self.reports_sent_at = time.monotonic()
        made = self._advance(connection, asked)
        missed = [completion for completion in asked if completion.ticket not in made]
        if before and missed:
            # The connection may have broken after the commit: then this worker has the next steps.
            made |= ledger.recorded(connection, missed, self.worker)
        return made

    def _advance(self, connection: RawConnection, asked: Sequence[Completion]) -> dict[Ticket, Progress]:
        return ledger.advance(connection, asked, self.worker, heartbeat_within=workers.GONE_SECONDS)


def _begun(connection: RawConnection, limit: float) -> RawConnection:
    """The connection for a new transaction, within its step's limit."""
    sessions.bound(connection, limit)
    held_connection.lend(connection)
    return connection


def _in_transaction(connection: RawConnection, work: Callable[[], _Answer]) -> _Answer:
    # The limit of the step that was here last is not meant for this.
    sessions.bound(connection, REPORT_SECONDS)
    with connection:
        return work()


_sessions: dict[int, LedgerSession] = {}


def ledger_session(database_url: str, worker: str, *, parent_pid: int) -> LedgerSession:
    """The session of this process; a forked child opens its own connections and runs its steps one by one."""
    pid = os.getpid()
    known = _sessions.get(pid)
    return (
        known
        if known is not None
        else _sessions.setdefault(pid, LedgerSession(database_url, worker, shared=pid == parent_pid))
    )
