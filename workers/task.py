"""The base task: claims a step in the ledger, runs its function, and reports the result."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import psycopg2
from celery import Task
from celery.exceptions import Ignore
from kombu.exceptions import OperationalError
from redis import RedisError

from hms_oms.broker import publishing
from hms_oms.database import connections
from hms_oms.database.lending.held_connection import TransactionHeld
from hms_oms.jobs.records import Claimed, Completion, Progress
from hms_oms.jobs.tickets import Ticket
from hms_oms.jobs.workers import worker_id
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import RecipeUnreadable
from workers.claiming import continuing
from workers.claiming.continuing import Following, Reported
from workers.claiming.ledger_session import LedgerSession, ledger_session
from workers.failing import delay, describe
from workers.limits import HeartbeatTimeout, TimeLimitExceeded, limited
from workers.performing import perform
from workers.presence import silence
from workers.step import StepFunction, StepRun

log = logging.getLogger(__name__)

#: The time limit, in seconds, of a message that carries none.
DEFAULT_LIMIT = 300.0
#: Errors that mean that Redis or the way to it is gone, or that it refuses writes.
BROKER_GONE = (OperationalError, RedisError, OSError)


class StepFailed(Exception):
    """What Celery and Flower see of a failure: its type and ticket; the rest is in the ledger."""


class StepTask(Task):
    """A Celery task whose only argument is a ticket; `function` is the step that it runs."""

    ignore_result = True
    acks_late = False
    Request = "workers.request:StepRequest"
    Strategy = "workers.request:strategy"
    function: StepFunction

    def run(self, ticket: str) -> None:
        """Run the step that the ticket names, if the ledger still wants it run by this message."""
        app = self.app
        worker = worker_id(self.request.hostname, app.parent_pid, app.worker_token)
        here = ledger_session(app.settings.servers()[0], worker, parent_pid=app.parent_pid)
        limit = (self.request.timelimit or (None,))[0] or DEFAULT_LIMIT
        granted = self.request.get("granted")
        if granted is not None:
            self._run(here, granted, limit)
            return
        with here.claimed(_parse(ticket), limit + continuing.LEASE_GRACE) as claimed:
            if claimed is None:
                log.info("%s is void: the ledger has moved on", ticket)
                raise Ignore
            self._run(here, claimed, limit)

    def _run(self, here: LedgerSession, claimed: Claimed, limit: float) -> None:
        try:
            recipe = here.recipe(claimed.recipe_id)
        except RecipeUnreadable as error:
            here.fail(claimed.ticket, describe(error), None)
            raise StepFailed(f"{claimed.ticket}: {error}") from None
        run = StepRun(
            claimed, partial(here.effects, limit), self.app.office, here.live, recipe, self.app.recipes
        )
        heartbeat = recipe.work(claimed.step, claimed.part).heartbeat or math.inf
        if heartbeat < math.inf and not here.is_shared:
            silence.watch()
        try:
            with limited(claimed.ticket, limit, heartbeat):
                completion = perform(self.function, run, claimed, recipe, limit, partial(_undo, here, run))
        except Exception as error:  # noqa: BLE001 -- whatever a step raises is recorded with the job
            if _is_of_the_database(run, error):
                self._give_back(here, run, claimed.ticket, error)
            if isinstance(error, TimeLimitExceeded):
                here.break_off()
            _undo(here, run)
            self._fail(here, claimed, recipe, _overrun(error, limit, heartbeat))
        links = continuing.rest(self.request.chain, completion, recipe)
        if self.request.get("granted") is not None:
            # Once a worker is to end, the pool's children report by themselves: the parent may be gone first.
            if not run.has_effects and (here.is_shared or continuing.is_open()):
                self.request.chain = []
                continuing.leave(claimed.ticket, Reported(completion, links))
                return
            completion = continuing.with_lease(completion, self.app, recipe, links)
        sent_at = time.monotonic()
        try:
            made = _report(here, run, completion)
        except (psycopg2.Error, TransactionHeld) as error:
            if not connections.is_passing(error):
                _undo(here, run)
                self._fail(here, claimed, recipe, error)
            self._give_back(here, run, claimed.ticket, error)
        if made is None:
            log.info("%s was reported too late: the ledger has moved on", claimed.ticket)
            raise Ignore
        # Celery publishes what is left in the chain when this task returns.
        self.request.chain = links if made.status == "queued" else []
        if made.status == "running":
            following = Following.after(claimed, completion, made, recipe, links, sent_at)
            continuing.leave(claimed.ticket, following)

    def _give_back(self, here: LedgerSession, run: StepRun, ticket: Ticket, error: Exception) -> NoReturn:
        """Have the step run again, since its effects are undone: that is nobody's failure."""
        log.warning("%s lost its transaction with the database (%s)", ticket, type(error).__name__)
        _undo(here, run)
        here.lose(ticket)
        raise Ignore from None

    def apply_async(
        self,
        args: Sequence[Any] | None = None,  # noqa: ARG002 -- the ticket again: task_id says it
        kwargs: Mapping[str, Any] | None = None,  # noqa: ARG002 -- tickets have none
        *,
        task_id: str,
        queue: str,
        priority: int | None = None,
        time_limit: float | None = None,
        chain: Sequence[Any] | None = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        **_: Any,
    ) -> None:
        """Publish the next step of a chain: Celery calls this when the step before it is complete."""
        try:
            with self.app.producer_pool.acquire(block=True) as producer:
                publishing.publish(
                    self.app,
                    producer,
                    self.name,
                    task_id,
                    queue=queue,
                    priority=publishing.BEGUN if priority is None else priority,
                    time_limit=time_limit,
                    rest=chain or (),
                    root_id=root_id,
                    parent_id=parent_id,
                )
        except BROKER_GONE as error:
            # The step is recorded and the job queued: recovery finds that its message is missing. Raised on,
            # this would have Celery tell the world that a step has failed which has not.
            log.warning(
                "%s waits for recovery: the broker did not take it (%s)", task_id, type(error).__name__
            )

    def _fail(self, here: LedgerSession, claimed: Claimed, recipe: Recipe, error: Exception) -> NoReturn:
        raise failure(here, claimed, recipe, error) from None


def failure(here: LedgerSession, claimed: Claimed, recipe: Recipe, error: Exception) -> StepFailed | Ignore:
    """Report a step as failed; what Celery is told of it."""
    policy = recipe.work(claimed.step, claimed.part).retry
    retry_after = delay(policy, error, claimed.failures, random.random())  # noqa: S311 -- jitter
    status = here.fail(claimed.ticket, describe(error), retry_after)
    log.warning("%s failed with %s: the job is now %s", claimed.ticket, type(error).__name__, status)
    # No word of the exception itself: it may quote the payload, and Celery tells the world.
    return (
        Ignore()
        if status is None
        else StepFailed(f"{type(error).__name__} in {claimed.ticket}; see the ledger")
    )


def _overrun(error: Exception, limit: float, heartbeat: float) -> Exception:
    """The error as it is reported: what ended a step over its limit was raised without a word."""
    if isinstance(error, HeartbeatTimeout):
        return HeartbeatTimeout(f"the step said nothing for {heartbeat:g} s")
    if isinstance(error, TimeLimitExceeded):
        return TimeLimitExceeded(f"the time limit of {limit:g} s was exceeded")
    return error


def _is_of_the_database(run: StepRun, error: Exception) -> bool:
    """Whether the step failed because the connection that it writes through was lost or could not serve it.

    A statement that was cancelled is not meant: it may have been the step's own, and too slow.
    """
    if not run.has_effects:
        return False
    cancelled = isinstance(error, psycopg2.Error) and error.pgcode == "57014"
    return bool(run.connection.closed) or (connections.is_passing(error) and not cancelled)


def _report(here: LedgerSession, run: StepRun, completion: Completion) -> Progress | None:
    if run.has_effects:
        return here.complete_with_effects(run.connection, completion)
    return here.complete(completion)


def _undo(here: LedgerSession, run: StepRun) -> None:
    if run.has_effects:
        here.undo()


def _parse(ticket: str) -> Ticket:
    try:
        return Ticket.parse(ticket)
    except ValueError:
        log.warning("a message without a ticket was dropped")
        raise Ignore from None
