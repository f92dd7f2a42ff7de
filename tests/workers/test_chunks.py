"""Chunks: short steps go to a pool's child together, and one that ends badly among them fails alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.jobs import commands
from tests.conftest import Programs, shop_recipes
from tests.workers.test_engine import WHO, short_steps
from tests.workers.test_running import ended, order
from workers.engine import chunks
from workers.engine.chunks import Chunk

MANY = 20
CULPRIT = 10
#: Why those that were sent together with the culprit are begun again.
BESIDE = {
    "its worker could not report it",
    "its worker could not begin it",
    "its worker is busy with longer steps",
}


def test_none_but_the_first_begins_late() -> None:
    """What has not begun in time never does, so that it may be taken back and begun elsewhere."""
    soon, over = time.monotonic() + 60, time.monotonic() - 1
    assert [result for _, result in chunks.run_each(0, soon, [(1,), (2,), (3,)], str)] == ["1", "2", "3"]
    assert chunks._begun[0] == 3
    assert [result for _, result in chunks.run_each(0, over, [(1,), (2,), (3,)], str)] == ["1"]
    assert chunks._begun[0] == 1


class Said:
    """A step that notes what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: self.words.append(name)


@pytest.mark.parametrize("begun", [1, 2, 3])
def test_the_step_that_was_begun_last_is_charged(begun: int) -> None:
    """The child is gone with all that it had run: what is before and behind the last one is run again."""
    steps: list[Any] = [Said(), Said(), Said()]
    ends: list[Any] = []
    chunk = Chunk(0, steps, lambda *end: ends.append(end))
    chunk.accepted(1, 0.0)
    chunks._begun[0] = begun
    chunk.failed(RuntimeError())
    words = [[word for word in step.words if word != "on_accepted"] for step in steps]
    assert words == [["on_failure" if number == begun else "give_back"] for number in (1, 2, 3)]
    assert "on_accepted" in steps[begun - 1].words
    assert ends == [(chunk, [])]
    chunk.timed_out(soft=False, timeout=2.0)
    assert steps[begun - 1].words[-1] == "on_timeout"


class Deaf(Said):
    """A step that raises whatever it is told of how it went."""

    id = "job-1.1.pick"

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name == "give_back":
            return super().__getattr__(name)

        def tell(*_: Any) -> None:
            raise ConnectionError(name)

        return tell


@pytest.mark.parametrize("has_died", [False, True])
def test_a_step_that_cannot_be_told_costs_no_other_its_result(has_died: bool) -> None:
    """It is run again if it was done; what was run beside it is reported, or run again; the child is free."""
    steps: list[Any] = [Said(), Deaf(), Said()]
    ends: list[Any] = []
    chunk = Chunk(0, steps, lambda *end: ends.append(end))
    if has_died:
        chunks._begun[0] = 2
        chunk.failed(RuntimeError())
    else:
        chunk.succeeded([(0.0, "one"), (0.0, "two"), (0.0, "three")])
    word = "give_back" if has_died else "on_success"
    assert [step.words[-1:] for step in steps] == [[word], [] if has_died else ["give_back"], [word]]
    assert ends == [(chunk, [])]


def test_the_step_that_runs_is_the_last_that_was_begun() -> None:
    """Who is to end it ends its child, and none of those that are over."""
    steps: list[Any] = [Said(), Said(), Said()]
    chunk = Chunk(0, steps, lambda *_: None)
    chunks._begun[0] = 2
    assert (chunk.begun(), chunk.running()) == (steps[:2], None)
    chunk.accepted(7, 0.0)
    assert chunk.running() == (steps[1], 7)
    chunk.succeeded([(0.0, None), (0.0, None)])
    assert chunk.running() is None


def test_what_stands_behind_a_long_step_is_taken_back() -> None:
    """Once none of it can begin any more, and no more than has not begun; the rest ends as it does."""
    steps: list[Any] = [Said(), Said(), Said()]
    ends: list[Any] = []
    chunk = Chunk(0, steps, lambda *end: ends.append(end))
    chunks._begun[0] = 2
    assert chunk.take_back(chunk.until) == []
    assert chunk.take_back(chunk.until + 1) == steps[2:]
    chunk.succeeded([(0.0, None), (0.0, None)])
    assert [step.words for step in steps] == [["on_success"], ["on_accepted", "on_success"], []]
    assert ends == [(chunk, [])]


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"exit": True}, "3 workers were lost in step pick"),
        ({"spin": 60}, "the time limit of 2 s was exceeded"),
    ],
)
def test_a_step_that_ends_its_child_fails_alone(
    programs: Programs, engine: sa.Engine, wish: dict[str, object], error: str
) -> None:
    """A child dies, or is ended, in one of many short steps: those beside it are run again, and done."""
    brief = shop_recipes()["shop:brief:v1"]
    programs.dispatcher()
    worker = programs.worker(pool="prefork", slots=1)
    short_steps(engine, brief)
    with engine.begin() as connection:
        commands.pause(connection, brief.queue, **WHO)
    jobs = [
        order(engine, brief, 100 + number, **({"pick": wish} if number == CULPRIT else {"quick": True}))
        for number in range(MANY)
    ]
    with engine.begin() as connection:
        commands.resume(connection, brief.queue)
    culprit = jobs.pop(CULPRIT)
    assert {ended(engine, job).status for job in jobs} == {"done"}
    failed = ended(engine, culprit)
    assert failed.error is not None
    assert (failed.status, failed.error["message"]) == ("failed", error)
    with engine.connect() as connection:
        query = "select max(losses) from oms.jobs where id <> :job"
        assert connection.scalar(sa.text(query), {"job": culprit}) == 0
        query = (
            "select distinct detail ->> 'reason' from oms.job_events where fact = 'lost' and job_id <> :job"
        )
        reasons = set(connection.scalars(sa.text(query), {"job": culprit}))
    # None, if on a machine at work the steps were not so short.
    assert reasons <= BESIDE
    assert worker.poll() is None
