"""The base task: claims a step in the ledger, runs its function, and reports what came of it."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from celery import Task
from celery.exceptions import Ignore
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from hms_oms import ledger, publishing
from hms_oms.outcomes import Done, Reject, Retry
from hms_oms.presence import worker_id
from hms_oms.recipes import Recipe, RetryPolicy
from hms_oms.records import Claimed, Completion
from hms_oms.tickets import Ticket
from workers.desk import Desk, desk
from workers.step import StepFunction, StepResult, StepRun

log = logging.getLogger(__name__)

#: A lease outlives the step's time limit by this much, in seconds, so that the limit comes first.
LEASE_GRACE = 30.0
#: The time limit, in seconds, of a message that carries none.
DEFAULT_LIMIT = 300.0
#: Errors that mean Redis or the way to it is gone.
BROKER_GONE = (OperationalError, RedisConnectionError, RedisTimeoutError, OSError)
#: How much of a traceback the ledger keeps, in characters.
TRACEBACK_CHARACTERS = 8000


class StepFailed(Exception):
    """What Celery and Flower see of a failure: its type and ticket; the rest is in the ledger."""


class StepTask(Task):
    """A Celery task whose only argument is a ticket; `function` is the step that it runs."""

    ignore_result = True
    acks_late = False
    Request = "workers.request:StepRequest"
    function: StepFunction

    def run(self, ticket: str) -> None:
        """Run the step that the ticket names, if the ledger still wants it run by this message."""
        here = desk(self.app.settings.servers()[0], worker_id(self.request.hostname, self.app.parent_pid))
        limit = (self.request.timelimit or (None,))[0] or DEFAULT_LIMIT
        claimed = here.claim(_parse(ticket), limit + LEASE_GRACE)
        if claimed is None:
            log.info("%s is void: the ledger has moved on", ticket)
            raise Ignore
        recipe = here.recipe(claimed.recipe_id)
        run = StepRun(claimed, here.effects, self.app.settings.zone)
        try:
            completion = _completion(claimed, recipe, self.function(run))
            status = _report(here, run, completion)
        except Reject as rejection:
            _undo(here, run)
            completion = Completion(claimed.ticket, "null", outcome=ledger.plain(rejection.reason))
            status = here.complete(completion)
        except Exception as error:  # noqa: BLE001 -- whatever a step raises is recorded with the job
            if run.has_effects and run.connection.closed:
                log.warning("%s lost its transaction with the database", ticket)
                here.lose(claimed.ticket)
                raise Ignore from None
            _undo(here, run)
            self._fail(here, claimed, recipe, error)
        self._go_on(completion, status, recipe)

    def _go_on(self, completion: Completion, status: str | None, recipe: Recipe) -> None:
        """Leave in the chain what comes next; Celery publishes it when this task returns."""
        if status is None:
            log.info("%s was reported too late: the ledger has moved on", completion.ticket)
            raise Ignore
        rest = list(self.request.chain or ()) if status == "queued" else []
        if completion.next_step is not None:
            # Drop the steps that were skipped; Celery keeps a chain last one first.
            name = recipe.steps[completion.next_step].name
            while rest and Ticket.parse(rest[-1]["options"]["task_id"]).step != name:
                rest.pop()
        self.request.chain = rest

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
            log.warning("%s waits for recovery: the broker is away (%s)", task_id, type(error).__name__)

    def _fail(self, here: Desk, claimed: Claimed, recipe: Recipe, error: Exception) -> NoReturn:
        policy = recipe.steps[claimed.step].retry
        retry_after = delay(policy, error, claimed.failures, random.random())  # noqa: S311 -- jitter
        status = here.fail(claimed.ticket, describe(error), retry_after)
        log.warning("%s failed with %s: the job is now %s", claimed.ticket, type(error).__name__, status)
        if status is None:
            raise Ignore from None
        # No word of the exception itself: it may quote the payload, and Celery tells the world.
        raise StepFailed(f"{type(error).__name__} in {claimed.ticket}; see the ledger") from None


def delay(policy: RetryPolicy, error: Exception, failures: int, chance: float) -> float | None:
    """How many seconds to wait before the step is tried again, or None when it is not.

    Exponential back-off with additive jitter: `base * factor ** failures`, at most `max_seconds`, plus
    `chance` (0 to 1) times the jitter share of that.
    """
    if failures + 1 >= policy.attempts:
        return None
    if isinstance(error, Retry) and error.after is not None:
        return max(0.0, error.after.total_seconds())
    if policy.errors and not isinstance(error, Retry):
        names = {kind.__name__ for kind in type(error).__mro__}
        if names.isdisjoint(policy.errors):
            return None
    seconds = min(policy.base_seconds * policy.factor**failures, policy.max_seconds)
    return seconds * (1 + policy.jitter * chance)


def describe(error: Exception) -> dict[str, str]:
    """An exception as the ledger keeps it."""
    lines = "".join(traceback.format_exception(error))
    return {
        "type": type(error).__name__,
        "message": ledger.plain(str(error)),
        "traceback": ledger.plain(lines[-TRACEBACK_CHARACTERS:]),
    }


def _completion(claimed: Claimed, recipe: Recipe, returned: StepResult) -> Completion:
    done = returned if isinstance(returned, Done) else Done(returned)
    return ledger.completion(claimed.ticket, recipe, done, by_agent=False)


def _report(here: Desk, run: StepRun, completion: Completion) -> str | None:
    if run.has_effects:
        return here.complete_with_effects(run.connection, completion)
    return here.complete(completion)


def _undo(here: Desk, run: StepRun) -> None:
    if run.has_effects:
        here.undo()


def _parse(ticket: str) -> Ticket:
    try:
        return Ticket.parse(ticket)
    except ValueError:
        log.warning("a message without a ticket was dropped")
        raise Ignore from None
