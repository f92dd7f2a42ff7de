"""The step engine: it claims and reports the steps of a worker while others run.

All that has been received or has ended meanwhile goes to the ledger as one statement. What is claimed begins
at once: no more of it is held than there are slots, and a few more where steps are so short that those
are begun within `AHEAD_SECONDS`. The slots themselves never wait for the ledger or for Redis.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from celery.worker import state

from hms_oms.jobs.records import Claimed
from hms_oms.jobs.tickets import Ticket
from workers.claiming import continuing, holding
from workers.claiming.continuing import Reported
from workers.claiming.ledger_session import CLAIM_AGAIN_SECONDS, LedgerSession, Refused
from workers.engine.handled import HandledStep
from workers.engine.prefetch import MOST_AHEAD, Prefetch
from workers.engine.prefork_runner import PreforkRunner
from workers.engine.reports import Ended, Reports
from workers.engine.runners import SHORT_SECONDS, Runner

log = logging.getLogger(__name__)

#: What is claimed ahead of the slots is begun within so many seconds, if steps take what they took lately.
AHEAD_SECONDS = 0.05
#: While short steps are held, a report waits so long, in seconds, for more of them, unless it has enough.
LINGER_SECONDS = 0.003
ENOUGH = 16
#: A step that was claimed and has not begun for so long, in seconds, is given back.
STALE_SECONDS = 1.0
#: What could not be claimed for an error is claimed again after so many seconds.
ERROR_SECONDS = 1.0


class Engine:
    """The engine of one worker process: of a pool of processes, its parent."""

    def __init__(self, app: Any, session: LedgerSession, runner: Runner, prefetch: Prefetch) -> None:
        self._session, self._runner, self._prefetch = session, runner, prefetch
        # A pool's child that dies takes no other step along.
        self._are_alone = isinstance(runner, PreforkRunner)
        self._changed = threading.Condition()
        self._received: deque[HandledStep] = deque()
        self._held: set[HandledStep] = set()
        #: The step that is to run with no other beside it, or does.
        self._suspect: HandledStep | None = None
        self._again_at = 0.0
        #: When a slot became free the last time, by the monotonic clock.
        self._moved_at = 0.0
        self._reports = Reports(app, session, free=self.free, follow=self._follow, linger=self._linger)
        threading.Thread(target=self._claim, name="claims", daemon=True).start()

    def register(self) -> None:
        """Join the event loop of the worker; called again after each reconnection."""
        with self._changed:
            # Celery has forgotten what had not begun, as if the broker were to hand it out again.
            for request in (*self._received, *self._held):
                state.task_reserved(request)
        self._prefetch.register()
        self._runner.register()

    def take(self, request: HandledStep) -> None:
        """Have a step claimed whose message was received, and run; returns at once."""
        if request.revoked():
            return
        if holding.ticket(request.id) is None:
            log.warning("a message without a ticket was dropped")
            request.ignore()
            return
        request.ready_at = time.monotonic()
        with self._changed:
            self._received.append(request)
            self._changed.notify()

    def waiting(self) -> set[Ticket]:
        """The tickets that were received and are not claimed."""
        with self._changed:
            return {request.ticket for request in self._received}

    def tickets(self) -> set[str]:
        """All tickets that it has, claimed or not, though Celery forgets them while Redis is away."""
        with self._changed:
            return {request.id for request in (*self._received, *self._held)}

    def begun(self) -> set[str]:
        """The tickets of steps that run in the pool's children, whether or not these were heard since."""
        return {request.id for request in self._runner.begun()}

    def running(self) -> list[tuple[HandledStep, int]]:
        """The steps that run in children of the pool, each with its process."""
        return self._runner.running()

    def expired(self) -> set[str]:
        """The tickets of steps that were claimed, and had not begun when their lease ran out."""
        with self._changed:
            held = list(self._held)
        return {request.id for request in expired(held, self._runner.begun(), time.monotonic())}

    def report(self, request: HandledStep, reported: Reported, traced: tuple[int, Any, float]) -> None:
        """Have a step reported as done; returns at once."""
        self._note_end(traced[2])
        # It is still held, but its end can no longer be what ends this worker.
        state.active_requests.discard(request)
        self._reports.put(Ended(request, reported, traced))

    def go_on(self, request: HandledStep, following: HandledStep, seconds: float) -> None:
        """Run the step that was claimed with the completion of another, which took so many seconds."""
        self._note_end(seconds)
        self._follow(request, following)

    def free(self, request: HandledStep, seconds: float | None = None) -> None:
        """Hear that a step has ended, and the job does not go on here."""
        self._note_end(seconds)
        with self._changed:
            self._held.discard(request)
            if request is self._suspect:
                self._suspect = None
                continuing.hold(False)
            self._changed.notify()

    def stale(self) -> list[HandledStep]:
        """Take back what was to begin soon and cannot: another step takes longer than was to be expected."""
        before = time.monotonic() - STALE_SECONDS
        requests = self._runner.take_back(before)
        with self._changed:
            # Of what is not claimed as much stays as there are slots.
            while len(self._received) > self._runner.slots() and self._received[-1].ready_at < before:
                requests.append(self._received.pop())
        if requests:
            # Nor is more of it taken, until a short step has ended.
            self._prefetch.fit(math.inf)
        for request in requests:
            self.free(request)
        return requests

    def finish(self) -> None:
        """Report what has ended, and publish what follows, before the worker ends."""
        if not self._reports.finish():
            log.warning("steps that have ended could not be reported: they are run again")

    def _note_end(self, seconds: float | None) -> None:
        if seconds is not None:
            self._moved_at = time.monotonic()
            self._runner.note(seconds)
            self._prefetch.fit(self._runner.average)

    def _begin(self, requests: Sequence[HandledStep]) -> None:
        now = time.monotonic()
        for request in requests:
            request.ready_at = now
        self._runner.add(requests)

    def _follow(self, request: HandledStep, following: HandledStep) -> None:
        with self._changed:
            self._held.discard(request)
            self._held.add(following)
        following.ready_at = time.monotonic()
        self._runner.add_first(following)

    def _linger(self, ended: int) -> float:
        """How long to wait for more steps to end: not at all but while many short ones are held."""
        average = self._runner.average
        is_short = average is not None and average < SHORT_SECONDS
        return LINGER_SECONDS if is_short and ended < min(ENOUGH, len(self._held)) else 0.0

    # Claims

    def _claim(self) -> None:
        while True:
            batch, alone = self._next_batch()
            try:
                answers = self._answers(batch, alone)
            except Exception:
                log.exception("%d steps could not be claimed; next try in %g s", len(batch), ERROR_SECONDS)
                self._ask_again(batch, ERROR_SECONDS)
                continue
            try:
                self._settle(batch, answers)
            except Exception:
                # The pool takes nothing any more: what was claimed is given back as the worker leaves.
                log.exception("of %d steps not all could be begun", len(batch))

    def _next_batch(self) -> tuple[list[HandledStep], bool]:
        """Wait until steps may be claimed; they are held from now on."""
        with self._changed:
            while True:
                pause = max(0.0, self._again_at - time.monotonic())
                if continuing.is_open() and not pause and (batch := self._claimable()):
                    self._held.update(batch)
                    return batch, self._are_alone or self._suspect is not None
                self._changed.wait(pause or None)

    def _claimable(self) -> list[HandledStep]:
        """Take what may be claimed now; while one step is to run alone nothing else is."""
        if self._suspect is not None:
            return [] if self._held else [self._suspect]
        most, slots = self._most(), self._runner.slots()
        room = max(0, most - len(self._held))
        if len(self._held) > slots and room < min(ENOUGH, most - slots):
            # There is enough to begin: a few at a time cost the ledger little more than one.
            return []
        return [self._received.popleft() for _ in range(min(room, len(self._received)))]

    def _most(self) -> int:
        """How many steps may be held."""
        slots, average = self._runner.slots(), self._runner.average
        if average is None or time.monotonic() > self._moved_at + AHEAD_SECONDS:
            # What runs may take much longer than what ran before it.
            return slots
        return slots + min(MOST_AHEAD, int(slots * AHEAD_SECONDS / max(average, 1e-6)))

    def _answers(self, batch: Sequence[HandledStep], alone: bool) -> Sequence[Claimed | Refused | None]:
        return self._session.claim(
            [(request.ticket, request.limit + continuing.LEASE_GRACE, alone) for request in batch]
        )

    def _settle(self, batch: Sequence[HandledStep], answers: Sequence[Claimed | Refused | None]) -> None:
        claimed, silent = [], []
        for request, answer in zip(batch, answers, strict=True):
            if answer is Refused.SILENT:
                silent.append(request)
            elif answer is Refused.SUSPECT:
                self._be_alone(request)
            elif self._is_granted(request, answer):
                claimed.append(request)
        if silent:
            self._ask_again(silent, CLAIM_AGAIN_SECONDS)
        if claimed:
            self._begin(claimed)

    def _is_granted(self, request: HandledStep, answer: Claimed | None) -> bool:
        """Give a step its claim; one without is done with."""
        try:
            if answer is not None:
                request.grant(answer, self._session.claims_sent_at)
                return True
            log.info("%s is void: the ledger has moved on", request.id)
            request.ignore()
        except Exception:
            log.exception("%s was claimed, and its message could not be left", request.id)
            if answer is not None:
                request.give_back("its worker could not begin it")
                return False
        self.free(request)
        return False

    def _be_alone(self, request: HandledStep) -> None:
        """Have a step run with no other beside it, or claimed once the one that does so has ended."""
        with self._changed:
            self._held.discard(request)
            if self._suspect is None:
                log.warning("%s runs alone: a worker was lost that ran it among others", request.id)
                self._suspect = request
                continuing.hold(True)
            else:
                self._received.appendleft(request)

    def _ask_again(self, requests: Sequence[HandledStep], pause: float) -> None:
        """Have steps claimed again after so many seconds, before what came later."""
        with self._changed:
            self._held.difference_update(requests)
            self._received.extendleft(
                request for request in reversed(requests) if request is not self._suspect
            )
            self._again_at = time.monotonic() + pause


def expired(held: Iterable[HandledStep], begun: Collection[HandledStep], now: float) -> Iterator[HandledStep]:
    """The steps among those `held` whose lease has run out, and that neither run nor ever ran."""
    for request in held:
        until = request.granted_at + request.limit + continuing.LEASE_GRACE
        if until < now and request.worker_pid is None and request not in begun:
            yield request


#: The engine of this process, once its worker has one.
current: Engine | None = None


def begin(app: Any, session: LedgerSession, runner: Runner, prefetch: Prefetch) -> Engine:
    """Have this process's steps claimed and reported by an engine from now on."""
    global current
    current = Engine(app, session, runner, prefetch)
    return current
