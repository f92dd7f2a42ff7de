"""A run of a step's function, and the report of what it has returned or raised."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from celery import exceptions as celery

from hms_oms.database import plain_text
from hms_oms.jobs import completions
from hms_oms.jobs.outcomes import Done, Reject, Retry
from hms_oms.jobs.records import Claimed, Completion
from hms_oms.recipes.recipes import Recipe
from workers.limits import TimeLimitExceeded
from workers.step import StepFunction, StepResult, StepRun

#: How often an event loop is woken, in seconds.
WAKE_SECONDS = 1.0


def perform(
    function: StepFunction,
    run: StepRun,
    claimed: Claimed,
    recipe: Recipe,
    limit: float,
    undo: Callable[[], None],
) -> Completion:
    """Run a step and return its report; `undo` takes back what a step has written that rejects its job.

    An `async def` step has an event loop of its own for as long as it runs, and is cancelled at its `limit`
    in seconds. Celery's exceptions mean what they mean there: Retry is ours, Reject with `requeue` is Retry
    at once, and after Ignore, or Reject without it, no further step runs. Raises whatever else the step
    raises.
    """
    try:
        returned = _returned(function, run, limit)
        done = returned if isinstance(returned, Done) else Done(returned)
        is_part = claimed.part is not None
        report = completions.of(claimed.ticket, recipe, done, by_agent=False, part=is_part)
        return report._replace(texts=run.texts) if run.texts else report
    except Reject as rejection:
        undo()
        run.forget_effects()
        return Completion(claimed.ticket, "null", outcome=plain_text.plain(rejection.reason))


def _returned(function: StepFunction, run: StepRun, limit: float) -> StepResult:
    try:
        returned = function(run)
        return _awaited(returned, limit) if inspect.isawaitable(returned) else returned
    except celery.Retry as error:
        raise Retry(str(error.message or "retry asked by the step"), after=_wait(error, run)) from error
    except celery.Reject as error:
        if error.requeue:
            raise Retry(str(error.reason or "retry asked by the step"), after=timedelta()) from error
        raise Reject(str(error.reason or "rejected")) from error
    except celery.Ignore as error:
        raise Reject(str(error) or "ignored") from error


def _awaited(returned: Awaitable[StepResult], limit: float) -> StepResult:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_within(limit, returned))
    # A test that is asynchronous itself: this thread has a loop, and can have no second one.
    with ThreadPoolExecutor(1) as thread:
        context = contextvars.copy_context()
        return thread.submit(context.run, asyncio.run, _within(limit, returned)).result()


async def _within(limit: float, returned: Awaitable[StepResult]) -> StepResult:
    waking = asyncio.ensure_future(_wake())
    try:
        async with asyncio.timeout(limit) as bound:
            return await returned
    except TimeoutError:
        if bound.expired():
            raise TimeLimitExceeded from None
        raise
    finally:
        waking.cancel()


async def _wake() -> None:
    """Wake the event loop now and then: one that waits does not see what is raised in its thread."""
    while True:
        await asyncio.sleep(WAKE_SECONDS)


def _wait(error: celery.Retry, run: StepRun) -> timedelta | None:
    """How long Celery would wait: `when` is a time or a number of seconds."""
    when = error.when
    if isinstance(when, datetime):
        return when - run.now
    return None if when is None else timedelta(seconds=when)
