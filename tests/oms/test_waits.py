"""Jobs that sleep, and jobs that wait for an event: signalled early, late, twice or not in time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act.waiting.waits import Waits
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger
from hms_oms.jobs.live import waits
from hms_oms.jobs.outcomes import Done, Sleep
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import ConfigError
from tests.conftest import shop_recipes
from tests.oms.test_advance import WHO, advanced, begun, report
from tests.oms.test_ledger import facts, look

Forward = Callable[[timedelta], None]


@pytest.fixture
def visit(engine: sa.Engine) -> Recipe:
    """The recipe `shop:visit:v1`, known to the ledger."""
    recipe = shop_recipes()["shop:visit:v1"]
    with engine.begin() as connection:
        registry.register(connection, recipe)
    return recipe


@pytest.fixture
def awaiting(engine: sa.Engine, raw: RawConnection, visit: Recipe) -> int:
    """A job that waits for its event."""
    job = begun(engine, raw, visit)
    advanced(raw, report(visit, job, "pick"))
    return job


def settle(raw: RawConnection) -> int:
    """How many waits were over, and are settled."""
    return Waits(raw, lambda number: registry.snapshot(raw, number)).settle()


def signal(engine: sa.Engine, job: int, data: dict[str, Any] | None = None) -> bool:
    """Signal the event to a job; whether it was the first time."""
    with engine.begin() as connection:
        return waits.signal(connection, job, "answered", data, who="ann")


def test_a_job_waits_for_its_event_in_no_backlog(
    engine: sa.Engine, raw: RawConnection, awaiting: int, forward: Forward
) -> None:
    """Neither workers nor agents get it, and a time is what it waits until."""
    job = look(engine, awaiting)
    assert (job.status, job.event, job.worker) == ("waiting", "answered", None)
    assert job.ready_at is not None
    assert job.ready_at - job.since == timedelta(days=2)
    forward(timedelta(hours=47))
    ledger.wake(raw)
    assert ledger.take(raw, "visit", 10) == []
    assert settle(raw) == 0
    assert facts(engine, awaiting)[-1] == "awaiting"


def test_a_signal_lets_it_go_on_once(engine: sa.Engine, raw: RawConnection, awaiting: int) -> None:
    """What came with the first one is the step's result; the second changes nothing."""
    assert signal(engine, awaiting, {"answer": "yes"})
    assert not signal(engine, awaiting, {"answer": "no"})
    assert settle(raw) == 1
    assert settle(raw) == 0
    job = look(engine, awaiting)
    assert (job.step_name, job.status, job.event, job.ready_at) == ("pack", "waiting", None, None)
    assert job.results["answer"] == {"answer": "yes"}
    assert facts(engine, awaiting)[-2:] == ["signalled", "handed over"]
    assert [taken.job for taken in ledger.take(raw, "visit", 10)] == [awaiting]
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select data from oms.signals")) is None


def test_an_early_signal_is_kept(engine: sa.Engine, raw: RawConnection, visit: Recipe) -> None:
    """The job goes on as soon as it waits for it."""
    job = begun(engine, raw, visit)
    assert signal(engine, job)
    assert settle(raw) == 0
    advanced(raw, report(visit, job, "pick"))
    assert settle(raw) == 1
    assert look(engine, job).step_name == "pack"


def test_time_runs_out(engine: sa.Engine, raw: RawConnection, awaiting: int, forward: Forward) -> None:
    """What the recipe says follows: another step with the result for this case, and it sleeps before it."""
    forward(timedelta(days=2, seconds=1))
    assert settle(raw) == 1
    job = look(engine, awaiting)
    assert (job.step_name, job.status, job.event) == ("send", "waiting", None)
    assert job.results["answer"] == {"answer": "none"}
    assert facts(engine, awaiting)[-2:] == ["timed out", "sleeping"]
    ledger.wake(raw)
    assert ledger.take(raw, "visit", 10) == []
    forward(timedelta(hours=1))
    ledger.wake(raw)
    assert [(taken.job, taken.step) for taken in ledger.take(raw, "visit", 10)] == [(awaiting, 3)]
    signal(engine, awaiting)
    assert settle(raw) == 0


def test_a_job_may_fail_without_its_event(engine: sa.Engine, raw: RawConnection, forward: Forward) -> None:
    """Tried again it waits as long as before, and a signal that has come since is good."""
    steps: list[dict[str, Any]] = [{"name": "pick"}, {"name": "board", "by": "event", "wait": "36 h"}]
    recipe = parsed(steps)
    with engine.begin() as connection:
        registry.register(connection, recipe)
    job = begun(engine, raw, recipe)
    advanced(raw, report(recipe, job, "pick"))
    forward(timedelta(hours=37))
    assert settle(raw) == 1
    failed = look(engine, job)
    assert (failed.status, failed.event) == ("failed", None)
    assert failed.error is not None
    assert failed.error["message"] == "the event board has not come within 36 h"
    with engine.begin() as connection:
        commands.retry(connection, [job], **WHO)
    again = look(engine, job)
    assert (again.status, again.event) == ("waiting", "board")
    assert again.ready_at is not None
    assert again.ready_at - again.since == timedelta(hours=36)
    with engine.begin() as connection:
        waits.signal(connection, job, "board", {"granted": True}, who="ann")
    assert settle(raw) == 1
    assert (look(engine, job).status, look(engine, job).results["board"]) == ("done", {"granted": True})


def test_a_cancelled_wait_may_be_reinstated(
    engine: sa.Engine, raw: RawConnection, awaiting: int, forward: Forward
) -> None:
    """Its signal does nothing until then; past its limit it is over at once, and nobody can run it."""
    with engine.begin() as connection:
        commands.cancel(connection, [awaiting], **WHO)
    forward(timedelta(days=3))
    assert settle(raw) == 0
    with engine.begin() as connection:
        commands.reinstate(connection, [awaiting], **WHO)
    assert look(engine, awaiting).event == "answered"
    ledger.wake(raw)
    assert ledger.take(raw, "visit", 10) == []
    assert settle(raw) == 1
    assert look(engine, awaiting).step_name == "send"


def test_a_wait_cannot_be_delayed(engine: sa.Engine, raw: RawConnection, awaiting: int) -> None:
    """It has no start; its priority may change."""
    with engine.begin() as connection:
        assert commands.delay(connection, [awaiting], None, **WHO) == []
        assert commands.prioritize(connection, [awaiting], 7, **WHO) == [awaiting]
    assert look(engine, awaiting).event == "answered"
    assert ledger.take(raw, "visit", 10) == []


def test_what_is_not_settled_waits_as_before(engine: sa.Engine, raw: RawConnection, awaiting: int) -> None:
    """If the dispatcher ends half-way, and while somebody else changes the job."""
    signal(engine, awaiting)
    with engine.begin() as other:
        commands.hold(other, [awaiting])
        assert settle(raw) == 0

    def dies(_: int) -> Recipe:
        raise SystemExit

    with suppress(SystemExit):
        Waits(raw, dies).settle()
    assert look(engine, awaiting).event == "answered"
    assert settle(raw) == 1
    assert facts(engine, awaiting).count("signalled") == 1


def test_a_job_may_sleep_until_a_time() -> None:
    """What comes next is not begun at once by the same worker; a wait of the recipe may be longer."""
    recipe = parsed([{"name": "pick"}, {"name": "pack"}, {"name": "send", "wait": "2 days"}])
    morning = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
    pick, pack = Ticket(1, 1, "pick"), Ticket(1, 1, "pack")
    slept = completions.of(pick, recipe, Sleep(morning, {"asked": 1}), by_agent=False)
    assert (slept.result, slept.ready_at, slept.hand_over) == ('{"asked": 1}', morning, True)
    awake = completions.of(pick, recipe, Done(), by_agent=False)
    assert (awake.wait, awake.ready_at, awake.hand_over) == (None, None, False)
    for until, seconds in ((timedelta(hours=1), 172800.0), (timedelta(days=3), 259200.0), (None, 172800.0)):
        report = completions.of(pack, recipe, Done(until=until), by_agent=False)
        assert (report.wait, report.hand_over) == (seconds, True)
    with pytest.raises(ValueError, match="the last step"):
        completions.of(Ticket(1, 1, "send"), recipe, Sleep(morning), by_agent=False)
    with pytest.raises(ValueError, match="a time with a zone"):
        completions.of(pick, recipe, Sleep(datetime(2026, 11, 2)), by_agent=False)


EVENT = {"name": "board", "by": "event", "wait": "2 days"}


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([EVENT], "steps.0: the first step cannot wait"),
        ([{"name": "a"}, {"name": "board", "by": "event"}], "steps.1.wait: a step by an event needs a time"),
        ([{"name": "a"}, EVENT | {"run": "x"}], "steps.1.run: an event is nobody's work"),
        ([{"name": "a"}, EVENT | {"on_timeout": "a"}], "steps.1.on_timeout: 'a' is neither"),
        ([{"name": "a"}, {"name": "b", "event": "x"}], "steps.1.event: only a step by an event has it"),
        ([{"name": "a"}, {"name": "b", "wait": "soon"}], "steps.1.wait: must be a time as 90 s"),
        ([{"name": "a"}, EVENT, EVENT | {"name": "b", "event": "board"}], "two of them wait for the event"),
    ],
)
def test_a_wait_that_cannot_be_meant_is_a_fault(steps: list[dict[str, Any]], fault: str) -> None:
    """It is named before anything starts."""
    with pytest.raises(ConfigError, match=fault):
        parsed(steps)


def test_a_recipe_without_waits_is_known_to_the_release_before(visit: Recipe) -> None:
    """Its document has none of the new keys; one with them is read back as it was."""
    document = parsed([{"name": "pick"}]).as_document()
    assert set(document["steps"][0]) == {"name", "run", "queue", "by", "time_limit", "retry"}
    assert Recipe.from_document(visit.as_document()) == visit


def parsed(steps: list[dict[str, Any]]) -> Recipe:
    """A recipe with these steps."""
    kind = {"type": "test:wait:v1", "queue": "wait", "sla_minutes": 5, "payload": {"type": "object"}}
    return recipes.parse({**kind, "steps": steps}, "test")
