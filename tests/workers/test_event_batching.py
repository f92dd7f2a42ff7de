"""Events of workers: one in place of three, and nothing that Celery and Flower know of a task is lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.events.state import State
from flower.events import EventsState
from flower.utils import search

from hms_floor.local import flower
from tests.conftest import wait_until
from workers.telemetry import event_batching

TICKET = "job-1.one.1"


def event(kind: str, at: float, uuid: str = TICKET, **fields: Any) -> dict[str, Any]:
    """An event as Celery makes it."""
    common = {"hostname": "w@h", "utcoffset": 0, "pid": 7, "clock": int(at), "local_received": at}
    return {"type": f"task-{kind}", "uuid": uuid, "timestamp": at, **common, **fields}


def step(uuid: str = TICKET) -> list[dict[str, Any]]:
    """The three events of a step that is done."""
    about = {"name": "shop.pack", "args": "()", "kwargs": "{}", "root_id": "r", "parent_id": "p"}
    return [
        event("received", 1.0, uuid, **about, retries=0, eta=None, expires=None),
        event("started", 2.0, uuid),
        event("succeeded", 4.0, uuid, result="None", runtime=2.0),
    ]


def test_celery_knows_as_much_of_a_task_by_one_event() -> None:
    """Its state, its name, its times and its parent are those that three events give."""
    states = []
    for events in (step(), event_batching.merged(step())):
        state = State()
        for sent in events:
            state.event(dict(sent))
        states.append(state)
    by_three, by_one = (state.tasks[TICKET] for state in states)
    assert by_one.state == "SUCCESS"
    for field in (
        "state",
        "name",
        "args",
        "received",
        "started",
        "succeeded",
        "runtime",
        "root_id",
        "parent_id",
    ):
        assert getattr(by_one, field) == getattr(by_three, field), field
    assert by_one.worker.hostname == "w@h"


def test_only_a_step_that_is_whole_in_its_bundle_is_told_by_one_event() -> None:
    """What began in the bundle before, has not ended, failed, or came twice stays as it is, in order."""
    whole, running, begun_before = step("job-1.a.1"), step("job-2.a.1")[:2], step("job-3.a.1")[1:]
    failed = [*step("job-4.a.1")[:2], event("failed", 4.0, "job-4.a.1")]
    twice = [step("job-5.a.1")[0], *step("job-5.a.1")]
    left = [*running, *begun_before, *failed, *twice]
    [first, *others] = event_batching.merged([*whole, *left])
    assert (first["type"], first["received"], first["started"]) == ("task-succeeded", 1.0, 2.0)
    assert others == left


def test_flower_counts_a_step_that_one_event_tells_of_as_received(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its column "Processed" is the number of steps, however their events were sent."""
    monkeypatch.setattr(EventsState, "event", EventsState.event)
    flower.count_merged()
    state = EventsState()
    for events in (step("job-1.a.1"), event_batching.merged(step("job-2.a.1"))):
        for sent in events:
            state.event(dict(sent))
    assert dict(state.counter["w@h"]) == {"task-received": 2, "task-started": 2, "task-succeeded": 2}


def test_flower_does_not_read_arguments_that_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its search finds others as before."""
    monkeypatch.setattr(search, "_kwargs_pairs", search._kwargs_pairs)
    flower.pass_over_empty_arguments()
    some = search.SearchDocument.from_task(SimpleNamespace(kwargs="{'crop': 'rye'}"))
    assert some.kwargs_pairs == {"crop=rye"}
    monkeypatch.setattr(search.ast, "literal_eval", lambda _: pytest.fail("it was read"))
    assert search.SearchDocument.from_task(SimpleNamespace(kwargs="{}")).kwargs_pairs == frozenset()


def test_events_leave_in_one_bundle_a_moment_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent by any thread meanwhile goes with it; after that the next first event is waited for."""
    monkeypatch.setattr(event_batching, "SEND_SECONDS", 0.02)
    app = Celery(broker="memory://", set_as_current=False)
    app.conf.event_serializer = "json"
    with app.connection() as connection:
        dispatcher = app.events.Dispatcher(connection, hostname="w@h", buffer_group={"task"})
        bundles: list[list[dict[str, Any]]] = []
        dispatcher._publish = lambda events, *_: bundles.append(list(events))
        consumer = SimpleNamespace(hub=True, event_dispatcher=dispatcher)
        batching = event_batching.EventBatching(consumer)
        batching.start(consumer)
        for number in (1, 2):
            dispatcher.send("task-received", uuid=TICKET)
            dispatcher.send("task-started", uuid=TICKET)
            wait_until(lambda number=number: len(bundles) == number, "a bundle")
            assert [part["type"] for part in bundles[-1]] == ["task-received", "task-started"]
        dispatcher.send("task-failed", uuid=TICKET)
        batching.stop(consumer)
        assert [part["type"] for part in bundles[-1]] == ["task-failed"]
