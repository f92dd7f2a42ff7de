"""A worker goes on with a job's next step itself, with all that Celery tells of a step, and no further."""

from __future__ import annotations

import json
import signal
from base64 import b64decode
from collections import defaultdict
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.broker import waiting_tickets
from hms_oms.jobs import commands
from hms_oms.jobs.queries import read
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, shop_recipes, wait_until
from tests.crash.test_crashes import executions, held_lock, running, status
from tests.workers.test_running import ended, order
from workers.claiming import continuing

WHO = {"who": "boss", "reason": None}
RELAY = shop_recipes()["shop:relay:v1"]


class Listener:
    """Hears what workers tell of tasks."""

    def __init__(self, broker: str) -> None:
        self._channel = waiting_tickets.client(broker).pubsub()
        self._channel.psubscribe("*celeryev*")
        self._received: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def received(self, ticket: str) -> list[dict[str, Any]]:
        """The events of one task, in order."""
        while message := self._channel.get_message():
            if message["type"] != "pmessage":
                continue
            said = json.loads(message["data"])
            encoded = said["properties"]["body_encoding"] == "base64"
            events = json.loads(b64decode(said["body"]) if encoded else said["body"])
            for event in events if isinstance(events, list) else [events]:
                if "uuid" in event:
                    self._received[event["uuid"]].append(event)
        return self._received[ticket]


def told(events: list[dict[str, Any]]) -> list[str]:
    """The types of events, those included that one event of a whole step stands for."""
    return [kind for event in events for kind in (*event.get("merged", ()), event["type"])]


def relayed(engine: sa.Engine, **wishes: Any) -> int:
    """Accept a job whose last step is in a queue of its own."""
    with engine.begin() as connection:
        return accept.start_job(connection, RELAY, wishes, requested_by="test").job.id


def test_workers_that_are_forks_of_one_process_share_no_state() -> None:
    """One that was killed while a step was to run alone keeps no other from going on."""
    continuing.hold(True)
    before = continuing._state
    continuing.prepare()
    assert (before[1], continuing._state[1]) == (1, 0)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_step_is_a_task_of_its_own(
    programs: Programs, engine: sa.Engine, shop: Recipe, broker: str, pool: str
) -> None:
    """Steps follow each other without a message, each with its own events, log lines and time limit."""
    listener = Listener(broker)
    plain = order(engine, shop, 1, phone="+12025550123", pack={"effect": True})
    slow = relayed(engine, pick={"nap": 1.5}, pack={"nap": 60})
    programs.dispatcher()
    # It would die if a step were published.
    worker = programs.worker(pool=pool, SHOP_DIES="before the next publish")
    done, failed = ended(engine, plain), ended(engine, slow)
    assert (done.status, done.results["send"]["before"]) == ("done", ["pack", "pick"])
    assert (failed.status, failed.step_name, (failed.error or {})["type"]) == (
        "failed",
        "pack",
        "TimeLimitExceeded",
    )
    assert set(executions(engine).values()) == {1}
    assert worker.poll() is None

    tickets = [f"job-{plain}.1.{step}" for step in ("pick", "pack", "send")]
    wait_until(lambda: "task-succeeded" in told(listener.received(tickets[-1])), "the last event")
    for ticket, before in zip(tickets, [None, *tickets], strict=False):
        events = listener.received(ticket)
        assert told(events) == ["task-received", "task-started", "task-succeeded"]
        received = events[0]
        assert (received["name"], received["args"]) == (f"shop.{ticket[-4:]}", f"('{ticket}',)")
        assert (received["root_id"], received["parent_id"]) == (tickets[0], before)
    lines = [json.loads(line) for line in programs.said("w").splitlines() if line.startswith("{")]
    own = [line for line in lines if line["event"] == "works" and line["job"] == f"job-{plain}"]
    assert [(line["step"], line["queue"]) for line in own] == [
        ("pick", "shop"),
        ("pack", "shop"),
        ("send", "shop"),
    ]


def test_a_step_of_another_queue_goes_to_its_worker(
    programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """Two workers that serve a queue each run the steps of theirs; a moved job comes back to its own."""
    plain = relayed(engine)
    moved = relayed(engine)
    with engine.begin() as connection:
        commands.move(connection, [moved], "relay-far", **WHO)
    programs.dispatcher()
    near = programs.worker("near", "threads", queues="shop,relay")
    far = programs.worker("far", "threads", queues="relay-far")
    assert [ended(engine, job).status for job in (plain, moved)] == ["done", "done"]
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select job, step, worker_pid from public.executions")).all()
    where = {(row.job, row.step): row.worker_pid for row in rows}
    assert len(rows) == 6
    assert [where[plain, step] for step in ("pick", "pack", "send")] == [near.pid, near.pid, far.pid]
    assert [where[moved, step] for step in ("pick", "pack", "send")] == [far.pid, near.pid, far.pid]


def test_people_reach_a_job_between_its_steps(programs: Programs, engine: sa.Engine, shop: Recipe) -> None:
    """A pause and a cancellation are heeded at the end of the step, although the worker would go on."""
    programs.dispatcher()
    programs.worker(pool="threads")
    with held_lock(programs, 91):
        stopped, kept = order(engine, shop, 1, pick={"hold": 91}), relayed(engine, pick={"hold": 91})
        wait_until(lambda: running(engine, stopped) and running(engine, kept), "the first steps to begin")
        with engine.begin() as connection:
            commands.cancel(connection, [stopped], **WHO)
            commands.pause(connection, "relay", **WHO)
    wait_until(lambda: status(engine, kept) == "waiting", "the end of the first step")
    assert ended(engine, stopped).status == "cancelled"
    assert executions(engine) == {(stopped, "pick"): 1, (kept, "pick"): 1}
    with engine.begin() as connection:
        commands.resume(connection, "relay")
    assert ended(engine, kept).status == "done"
    assert set(executions(engine).values()) == {1}


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_is_told_to_end_ends_with_its_step(
    programs: Programs, engine: sa.Engine, shop: Recipe, pool: str
) -> None:
    """SIGTERM in mid-chain: the step is finished, and the next one goes to another worker as a message."""
    programs.dispatcher()
    leaving = programs.worker("leaving", pool, HMS_LOG_LEVEL="DEBUG")
    with held_lock(programs, 92):
        job = order(engine, shop, 1, pick={"hold": 92})
        wait_until(lambda: running(engine, job), "the first step to begin")
        leaving.send_signal(signal.SIGTERM)
        wait_until(lambda: "Worker: Closing" in programs.said("leaving"), "the signal to be heard")
    assert leaving.wait(30) == 0
    with engine.connect() as connection:
        left = read.get(connection, job)
    assert left.step_name == "pack"
    assert left.status in ("queued", "waiting")
    programs.worker("second", pool)
    assert ended(engine, job).status == "done"
    assert set(executions(engine).values()) == {1}
