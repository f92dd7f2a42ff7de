"""The step engine: it claims and reports the steps of a worker while others run.

All that has been received or has ended meanwhile goes to the ledger as one statement. What is claimed begins
at once: no more of it is held than there are slots, and a few more where steps are so short that those
are begun within `AHEAD_SECONDS`. The slots themselves never wait for the ledger or for Redis.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery.worker import state

from hms_oms.jobs.records import Completion, Progress
from hms_oms.jobs.tickets import Ticket
from workers.claiming import continuing, holding
from workers.claiming.continuing import Following, Reported
from workers.claiming.ledger_session import CLAIM_AGAIN_SECONDS, LedgerSession, Refused
from workers.engine.handled import HandledStep
from workers.engine.piles import Pile
from workers.engine.runners import SHORT_SECONDS, PreforkRunner, Runner

log = logging.getLogger(__name__)

#: What is claimed ahead of the slots is begun within so many seconds, if steps take what they took lately.
AHEAD_SECONDS = 0.05
#: No more steps than this are claimed ahead.
MOST_AHEAD = 16
#: While short steps are held, a report waits so long, in seconds, for more of them, unless it has enough.
LINGER_SECONDS = 0.001
ENOUGH = 8
#: A step that was claimed and has not begun for so long, in seconds, is given back.
STALE_SECONDS = 1.0
#: At its end a worker takes this long, in seconds, for what it still has to report.
FINISH_SECONDS = 10.0


@dataclass(frozen=True)
class _Ended:
    """A step that has ended and is to be reported, with what Celery's tracer says of it."""

    request: HandledStep
    reported: Reported
    traced: tuple[int, Any, float]


class Engine:
    """The engine of one worker process: of a pool of processes, its parent."""

    def __init__(self, app: Any, session: LedgerSession, runner: Runner) -> None:
        self._app, self._session, self._runner = app, session, runner
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
        self._ended: Pile[_Ended] = Pile("reports", self._record, self._linger)
        self._advanced: Pile[tuple[HandledStep, list[Any]]] = Pile("chains", self._publish)
        threading.Thread(target=self._claim, name="claims", daemon=True).start()

    def register(self) -> None:
        """Join the event loop of the worker; called again after each reconnection."""
        self._runner.register()

    def take(self, request: HandledStep) -> None:
        """Have a step claimed whose message was received, and run; returns at once."""
        if request.revoked():
            return
        if holding.ticket(request.id) is None:
            log.warning("a message without a ticket was dropped")
            request.ignore()
            return
        with self._changed:
            self._received.append(request)
            self._changed.notify()

    def waiting(self) -> set[Ticket]:
        """The tickets that were received and are not claimed."""
        with self._changed:
            return {Ticket.parse(request.id) for request in self._received}

    def report(self, request: HandledStep, reported: Reported, traced: tuple[int, Any, float]) -> None:
        """Have a step reported as done; returns at once."""
        self._note_end(request, traced[2])
        # It is still held, but its end can no longer be what ends this worker.
        state.active_requests.discard(request)
        self._ended.put(_Ended(request, reported, traced))

    def go_on(self, request: HandledStep, following: HandledStep, seconds: float) -> None:
        """Run the step that was claimed with the completion of another, which took so many seconds."""
        self._note_end(request, seconds)
        self._begin([following], in_place_of=[request])

    def free(self, request: HandledStep, seconds: float | None = None) -> None:
        """Hear that a step has ended, and the job does not go on here."""
        self._note_end(request, seconds)
        with self._changed:
            self._held.discard(request)
            if request is self._suspect:
                self._suspect = None
                continuing.hold(False)
            self._changed.notify()

    def stale(self) -> list[HandledStep]:
        """Take back what was claimed and cannot begin: another step takes longer than was to be expected."""
        requests = self._runner.take_back(time.monotonic() - STALE_SECONDS)
        for request in requests:
            self.free(request)
        return requests

    def finish(self) -> None:
        """Report what has ended, and publish what follows, before the worker ends."""
        if not (self._ended.finish(FINISH_SECONDS) and self._advanced.finish(FINISH_SECONDS)):
            log.warning("steps that have ended could not be reported: they are run again")

    def _note_end(self, request: HandledStep, seconds: float | None) -> None:
        if seconds is not None:
            self._moved_at = time.monotonic()
            self._runner.note(seconds)
        self._runner.ended(request)

    def _begin(self, requests: Sequence[HandledStep], in_place_of: Sequence[HandledStep] = ()) -> None:
        with self._changed:
            self._held.difference_update(in_place_of)
            self._held.update(requests)
        now = time.monotonic()
        for request in requests:
            request.ready_at = now
        self._runner.add(requests)

    # Claims

    def _claim(self) -> None:
        while True:
            batch, alone = self._next_batch()
            try:
                self._settle(batch, self._answers(batch, alone))
            except Exception:
                log.exception("%d steps could not be claimed", len(batch))
                for request in batch:
                    request.ignore()
                    self.free(request)

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
        room = max(0, self._most() - len(self._held))
        return [self._received.popleft() for _ in range(min(room, len(self._received)))]

    def _most(self) -> int:
        """How many steps may be held."""
        slots, average = self._runner.slots(), self._runner.average
        if average is None or time.monotonic() > self._moved_at + AHEAD_SECONDS:
            # What runs may take much longer than what ran before it.
            return slots
        return slots + min(MOST_AHEAD, int(slots * AHEAD_SECONDS / max(average, 1e-6)))

    def _answers(self, batch: Sequence[HandledStep], alone: bool) -> Sequence[Any]:
        return self._session.claim(
            [(Ticket.parse(request.id), request.limit + continuing.LEASE_GRACE, alone) for request in batch]
        )

    def _settle(self, batch: Sequence[HandledStep], answers: Sequence[Any]) -> None:
        claimed = []
        for request, answer in zip(batch, answers, strict=True):
            if answer is None:
                log.info("%s is void: the ledger has moved on", request.id)
                request.ignore()
                self.free(request)
            elif isinstance(answer, Refused):
                self._ask_again(request, answer)
            else:
                request.grant(answer)
                claimed.append(request)
        if claimed:
            self._begin(claimed)

    def _ask_again(self, request: HandledStep, why: Refused) -> None:
        with self._changed:
            self._held.discard(request)
            if why is Refused.SUSPECT and self._suspect is None:
                log.warning("%s runs alone: a worker was lost that ran it among others", request.id)
                self._suspect = request
                continuing.hold(True)
            elif request is not self._suspect:
                self._received.appendleft(request)
            if why is Refused.SILENT:
                self._again_at = time.monotonic() + CLAIM_AGAIN_SECONDS

    # Reports

    def _linger(self, ended: int) -> float:
        """How long to wait for more steps to end: not at all but while many short ones are held."""
        average = self._runner.average
        is_short = average is not None and average < SHORT_SECONDS
        return LINGER_SECONDS if is_short and ended < min(ENOUGH, len(self._held)) else 0.0

    def _record(self, ended: Sequence[_Ended]) -> None:
        reports = [self._with_lease(item) for item in ended]
        for item, report, made in zip(ended, reports, self._session.record(reports), strict=True):
            try:
                self._proceed(item, report, made)
            except Exception:
                log.exception("%s was reported, and could not be left", item.request.id)
                self.free(item.request)

    def _with_lease(self, item: _Ended) -> Completion:
        recipe = self._session.recipe(item.request.granted.recipe_id)
        return continuing.with_lease(item.reported.completion, self._app, recipe, item.reported.links)

    def _proceed(self, item: _Ended, report: Completion, made: Progress | Exception | None) -> None:
        request, links = item.request, item.reported.links
        if isinstance(made, Exception):
            request.refused(made, self._session)
        elif made is None:
            log.info("%s was reported too late: the ledger has moved on", request.id)
            request.ignore()
        elif made.status == "running":
            recipe = self._session.recipe(request.granted.recipe_id)
            following = request.follow(Following.after(request.granted, report, made, recipe, links))
            request.succeeded(item.traced)
            following.announce()
            self._begin([following], in_place_of=[request])
            return
        else:
            request.succeeded(item.traced)
            if made.status == "queued":
                self._advanced.put((request, list(links)))
        self.free(request)

    def _publish(self, advanced: Sequence[tuple[HandledStep, list[Any]]]) -> None:
        """Publish what is left of chains, as Celery does when a task returns."""
        for request, links in advanced:
            try:
                link = links.pop()
                self._app.tasks[link["task"]].apply_async(
                    **link["options"], chain=links, root_id=request.root_id, parent_id=request.id
                )
            except Exception:
                log.exception("what follows %s was not published: recovery does it", request.id)


#: The engine of this process, once its worker has one.
current: Engine | None = None


def begin(app: Any, session: LedgerSession, runner: Runner) -> Engine:
    """Have this process's steps claimed and reported by an engine from now on."""
    global current
    current = Engine(app, session, runner)
    return current
