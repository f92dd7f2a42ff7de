"""Jobs that steps start: once, with the step's completion; their job waits for them, and ends with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act.waiting import child_jobs as starting
from hms_act.waiting.child_jobs import ChildWaits
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.parts import child_jobs
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import ConfigError
from tests.oms.test_advance import WHO
from tests.oms.test_ledger import claim, facts, look
from tests.parts.test_split_and_join import started

FAMILY = [{"name": "open"}, {"name": "wait", "by": "jobs"}, {"name": "close"}]


def parsed(steps: list[dict[str, Any]], name: str = "family", **fields: Any) -> Recipe:
    """A recipe with these steps, and these fields besides."""
    payload = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, **fields}}
    kind = {"type": f"test:{name}:v1", "queue": name, "sla_minutes": 5, "key": "n", "payload": payload}
    return recipes.parse({**kind, "steps": steps}, "test")


FAMILIES = {recipe.type: recipe for recipe in (parsed(FAMILY), parsed([{"name": "play"}], "child"))}


@pytest.fixture
def family(engine: sa.Engine) -> Recipe:
    """The recipe `test:family:v1`, known to the ledger as that of its children is."""
    with engine.begin() as connection:
        for recipe in FAMILIES.values():
            registry.register(connection, recipe)
    return FAMILIES["test:family:v1"]


def opened(engine: sa.Engine, raw: RawConnection, database: str, family: Recipe, *payloads: Any) -> int:
    """A job whose first step has asked for children with these payloads."""
    job = started(engine, family, {"n": 1})
    ledger.take(raw, "family", 10)
    assert claim(raw, job, "open")
    effects = connections.connect(database, "effects", autocommit=False)
    for commits in (False, True):
        for number, given in enumerate(payloads):
            payload = {"type": "test:child:v1", "options": {"priority": 7}, **given}
            asked = {"job_type": payload.pop("type"), "options": payload.pop("options"), "payload": payload}
            child_jobs.ask(effects, parent=job, step=0, number=number, **asked)
        report = completions.of(Ticket(job, 1, "open"), family, Done(), by_agent=False)
        assert ledger.advance(effects, [report], "w")
        effects.commit() if commits else effects.rollback()
    effects.close()
    return job


def start(engine: sa.Engine, known: Mapping[str, Recipe] = FAMILIES) -> int:
    """How many children were asked for, and are started."""
    return starting.start(engine.begin, lambda: known)


def settle(raw: RawConnection) -> int:
    """Of how many jobs the wait was over."""
    return ChildWaits(raw, lambda number: registry.snapshot(raw, number)).settle()


def children(engine: sa.Engine, job: int) -> list[child_jobs.ChildJob]:
    """The jobs that were started for a job."""
    with engine.connect() as connection:
        return list(child_jobs.of_job(connection, job))


def play(raw: RawConnection, error: str | None = None, result: dict[str, Any] | None = None) -> None:
    """Do the step of a child, with this result, or fail it."""
    [taken] = ledger.take(raw, "child", 1)
    assert claim(raw, taken.job, "play")
    ticket = Ticket(taken.job, 1, "play")
    if error:
        failure = {"type": error, "message": "", "traceback": ""}
        ledger.fail(raw, ticket, failure, retry_after=None, worker="w")
    else:
        done = Done(result or {"played": True})
        report = completions.of(ticket, FAMILIES["test:child:v1"], done, by_agent=False)
        ledger.advance(raw, [report], "w")


def test_children_are_started_once_and_waited_for(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe
) -> None:
    """Though the step was repeated; the next one has what they have come to."""
    job = opened(engine, raw, database, family, {"n": 1}, {"n": 2})
    assert settle(raw) == 0
    assert (start(engine), start(engine)) == (2, 0)
    first = children(engine, job)[0].job
    assert first is not None
    child = look(engine, first)
    assert (child.requested_by, child.priority, child.parent_id) == (f"job-{job}", 7, None)
    for left in (1, 0):
        play(raw)
        assert settle(raw) == (0 if left else 1)
    whole = look(engine, job)
    assert (whole.step_name, whole.status, whole.event) == ("close", "waiting", None)
    assert [(child["status"], child["results"]) for child in whole.results["wait"]] == [
        ("done", {"play": {"played": True}})
    ] * 2
    assert facts(engine, job)[-3:] == ["awaiting", "joined", "handed over"]


@pytest.mark.parametrize("payload", [{"n": 2}, {"n": "two"}])
def test_a_child_that_is_not_done_fails_the_wait(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe, payload: dict[str, Any]
) -> None:
    """Failed, or not even started; tried again it waits again."""
    job = opened(engine, raw, database, family, payload)
    start(engine)
    if payload["n"] == 2:
        play(raw, "ValueError")
    assert settle(raw) == 1
    error = look(engine, job).error
    [child] = children(engine, job)
    assert error is not None
    assert error["message"] == (
        f"job-{child.job} (test:child:v1), for which it waited, is failed: ValueError"
        if child.job
        else f"no job of type test:child:v1 could be started: {child.fault}"
    )
    if child.job:
        with engine.begin() as connection:
            assert set(commands.retry(connection, [child.job, job], **WHO)) == {child.job, job}
        assert settle(raw) == 0
        assert look(engine, job).status == "waiting"


def test_children_are_cancelled_with_their_job(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe
) -> None:
    """Those that were made for it, and none that was there before."""
    before = started(engine, FAMILIES["test:child:v1"], {"n": 1})
    job = opened(engine, raw, database, family, {"n": 1}, {"n": 2})
    start(engine)
    with engine.begin() as connection:
        assert commands.cancel_jobs(connection, [job], **WHO).jobs == [job]
    assert [child.status for child in children(engine, job)] == ["waiting", "cancelled"]
    assert children(engine, job)[0].job == before
    with engine.begin() as connection:
        assert commands.reinstate(connection, [job], **WHO) == [job]
    assert [child.status for child in children(engine, job)] == ["waiting", "waiting"]


def test_nothing_is_started_for_a_cancelled_job(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe
) -> None:
    """Nor for one that is to be cancelled; once it is reinstated, what it has asked for is started."""
    job = opened(engine, raw, database, family, {"n": 1})
    with engine.begin() as connection:
        commands.cancel_jobs(connection, [job], **WHO)
    assert start(engine) == 0
    [child] = children(engine, job)
    assert (child.job, child.fault) == (None, f"job-{job} was cancelled")
    with engine.begin() as connection:
        commands.reinstate(connection, [job], **WHO)
    assert (start(engine), settle(raw)) == (1, 0)
    assert [child.status for child in children(engine, job)] == ["waiting"]


@pytest.mark.parametrize("options", [{"priority": 10**12}, {"sla_minutes": 1e300}])
def test_what_cannot_be_kept_is_the_fault_of_one_child(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe, options: dict[str, Any]
) -> None:
    """The others are started, however many they are, in one turn."""
    bad = {"n": 0, "options": options}
    rest = [{"n": number} for number in range(1, child_jobs.MOST + 1)]
    job = opened(engine, raw, database, family, bad, *rest)
    assert (start(engine), start(engine)) == (child_jobs.MOST + 1, 0)
    first, *others = children(engine, job)
    assert first.fault is not None
    assert first.fault.startswith("the ledger cannot keep what was given for it (")
    assert {(child.status, child.fault) for child in others} == {("waiting", None)}


def test_a_type_that_is_not_known_yet_is_waited_for(
    engine: sa.Engine,
    raw: RawConnection,
    database: str,
    family: Recipe,
    forward: Callable[[timedelta], None],
) -> None:
    """For a while; when its job has failed for it and is tried again, it is asked for again."""
    late = parsed([{"name": "play"}], "late")
    job = opened(engine, raw, database, family, {"n": 1, "type": late.type}, {"n": 2})
    assert start(engine) == 1
    assert (settle(raw), [child.fault for child in children(engine, job)]) == (0, [None, None])
    forward(timedelta(seconds=starting.PATIENCE_SECONDS))
    assert start(engine) == 1
    play(raw)
    assert settle(raw) == 1
    error = look(engine, job).error
    assert error is not None
    assert "no job of type test:late:v1 could be started: " in error["message"]
    with engine.begin() as connection:
        assert commands.retry(connection, [job], **WHO) == [job]
    assert (settle(raw), start(engine, FAMILIES | {late.type: late})) == (0, 1)
    assert [child.status for child in children(engine, job)] == ["waiting", "done"]


def test_a_child_that_is_taken_up_again_is_waited_for(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe
) -> None:
    """Though it had failed when the dispatcher took its job up."""
    job = opened(engine, raw, database, family, {"n": 1})
    start(engine)
    play(raw, "ValueError")
    dispatcher = connections.connect(database, "act", autocommit=False)
    [parent] = child_jobs.take_up(dispatcher)
    [child] = children(engine, job)
    assert child.job is not None
    with engine.begin() as connection:
        commands.retry(connection, [child.job], **WHO)
    assert child_jobs.settle(dispatcher, parent, family) is None
    dispatcher.commit()
    dispatcher.close()
    assert look(engine, job).status == "waiting"


@pytest.mark.parametrize(
    ("steps", "fault"),
    [
        ([{"name": "a", "by": "jobs"}], "steps.0: the first step cannot wait for jobs"),
        ([{"name": "a"}, {"name": "b", "by": "jobs", "run": "x"}], "steps.1.run: a step by jobs is theirs"),
        ([{"name": "a", "on_failed": "fail"}], "steps.0.on_failed: only a step by jobs has it"),
    ],
)
def test_a_wait_for_jobs_that_cannot_be_meant_is_a_fault(steps: list[dict[str, Any]], fault: str) -> None:
    """It is named before anything starts."""
    with pytest.raises(ConfigError, match=fault):
        parsed(steps)
