"""What a step function may be, return and raise, and what is recorded of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from celery import exceptions as celery

from hms_oms.jobs import completions
from hms_oms.jobs.outcomes import Done, Retry
from hms_oms.jobs.records import Claimed, Completion
from hms_oms.recipes import recipes
from hms_oms.recipes.steps.step import RetryPolicy
from workers import failing
from workers.limits import TimeLimitExceeded
from workers.performing import perform
from workers.step import StepRun

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
RECIPE = recipes.parse(
    {
        "type": "test:work:v1",
        "queue": "work",
        "sla_minutes": 5,
        "payload": {"type": "object"},
        "steps": [{"name": "first"}, {"name": "last"}],
    },
    "test",
)


def reported(function: Callable[[StepRun], Any], limit: float = 5.0, undo: Any = lambda: None) -> Completion:
    """The report of a step that is this function."""
    claimed = Claimed(7, 1, 0, ("first", "last"), "test:work:v1", 1, 0, {"farm": "Hill"}, {}, NOW)
    return perform(function, StepRun(claimed, pytest.fail), claimed, RECIPE, limit, undo)


def test_an_async_step_is_awaited() -> None:
    """Its result is what it returns, as of any other step, and its texts are handed over."""

    async def work(run: StepRun) -> Done:
        await asyncio.sleep(0)
        run.text("+12025550123", run.payload["farm"])
        return Done({"found": 1}, outcome="well")

    report = reported(work)
    assert (report.result, report.outcome, report.next_step) == ('{"found": 1}', "well", 1)
    assert [text.body for text in report.texts] == ["Hill"]


def test_an_async_test_may_run_an_async_step() -> None:
    """The step has an event loop of its own beside that of the test."""

    async def work(_: StepRun) -> dict[str, int]:
        await asyncio.sleep(0)
        return {"found": 2}

    async def test() -> str:
        return reported(work).result

    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(asyncio.run, test()).result() == '{"found": 2}'


def test_an_async_step_is_cancelled_at_its_limit() -> None:
    """It fails as one past its limit, and what it does to clean up is done."""
    done: list[str] = []

    async def work(_: StepRun) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.append("cleaned up")

    with pytest.raises(TimeLimitExceeded):
        reported(work, limit=0.01)
    assert done == ["cleaned up"]


def test_a_time_out_of_an_async_step_is_its_own() -> None:
    """What it raises itself is no time limit."""

    async def work(_: StepRun) -> None:
        raise TimeoutError("the county does not answer")

    with pytest.raises(TimeoutError, match="the county"):
        reported(work)


def test_what_json_does_not_know_is_kept_as_text() -> None:
    """Dates, times, decimals and UUIDs may be in a result; anything else is refused by its type."""
    number = UUID("12345678123456781234567812345678")
    report = reported(lambda _: {"on": date(2026, 1, 2), "at": NOW, "sum": Decimal("1.10"), "id": number})
    assert json.loads(report.result) == {
        "on": "2026-01-02",
        "at": "2026-11-02T09:00:00+00:00",
        "sum": "1.10",
        "id": "12345678-1234-5678-1234-567812345678",
    }
    with pytest.raises(TypeError, match="a set is nothing that a result can hold"):
        reported(lambda _: {"acres": {1}})


def test_a_result_has_a_limit() -> None:
    """One that is too large fails with its size and what to do instead."""
    room = completions.MOST_RESULT - len('{"scan": ""}')
    assert len(reported(lambda _: {"scan": "x" * room}).result) == completions.MOST_RESULT
    with pytest.raises(ValueError, match=r"first has 1,000,001 characters.*return where it is"):
        reported(lambda _: {"scan": "x" * (room + 1)})


@pytest.mark.parametrize(
    ("error", "after"),
    [
        (celery.Retry("later", when=90), timedelta(seconds=90)),
        (celery.Retry("later", when=NOW + timedelta(hours=2)), timedelta(hours=2)),
        (celery.Retry("later"), None),
        (celery.Reject("later", requeue=True), timedelta()),
    ],
)
def test_celery_s_retry_is_ours(error: Exception, after: timedelta | None) -> None:
    """It waits as long as it would there."""

    def work(_: StepRun) -> None:
        raise error

    with pytest.raises(Retry, match="later") as caught:
        reported(work)
    assert caught.value.after == after


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (celery.Ignore(), "ignored"),
        (celery.Reject("no such farm"), "no such farm"),
        (celery.Reject(), "rejected"),
    ],
)
def test_no_step_follows_what_celery_would_drop(error: Exception, outcome: str) -> None:
    """The job ends with this as its outcome, and what the step wrote is undone."""
    undone: list[bool] = []

    def work(_: StepRun) -> None:
        raise error

    report = reported(work, undo=lambda: undone.append(True))
    assert (report.outcome, report.next_step, undone) == (outcome, None, [True])


def test_mistakes_of_the_program_are_not_repeated() -> None:
    """Unless the recipe names them; what may be otherwise next time is tried again."""
    default, named = RetryPolicy(jitter=0), RetryPolicy(jitter=0, errors=("TypeError",))
    for error in (TypeError(), AttributeError(), NameError(), NotImplementedError(), AssertionError()):
        assert failing.delay(default, error, 0, 0.0) is None
    for error in (ValueError(), KeyError(), ConnectionError(), TimeLimitExceeded()):
        assert failing.delay(default, error, 0, 0.0) == default.base_seconds
    assert failing.delay(named, TypeError(), 0, 0.0) == named.base_seconds
    assert failing.delay(named, ValueError(), 0, 0.0) is None
