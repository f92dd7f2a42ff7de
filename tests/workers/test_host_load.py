"""A host that is over a limit: when its workers stop taking work, and that they go on."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from kombu import Connection, Consumer, Queue

from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, workers
from hms_oms.jobs.queries import read
from hms_oms.jobs.workers import Beat
from hms_oms.queues import dispatch_windows
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, wait_until
from tests.oms.test_ledger import look, order
from workers.presence.host_load import BEATS, HostLoad, Intake


def test_a_moment_of_load_holds_nothing() -> None:
    """Three heartbeats in a row do, and five points below the limit for as long let it go on."""
    host = HostLoad(90, None)
    for cpu in (99, 99, 50, 99, 99):
        host.note(cpu, 100)
        assert host.because is None
    host.note(97, 100)
    assert host.because == "CPU at 97 %, over its limit of 90 %"
    for cpu in (89, 80, 80, 88, 80, 80):
        host.note(cpu, 100)
        assert host.because is not None
    host.note(84, 100)
    assert host.because is None


def test_without_a_limit_nothing_is_held() -> None:
    """However busy the host is; with both the reason has both."""
    free, both = HostLoad(None, None), HostLoad(50, 60)
    for _ in range(BEATS):
        free.note(100, 100)
        both.note(100, 100)
    assert free.because is None
    assert both.because == "CPU at 100 %, over its limit of 50 %; memory at 100 %, over its limit of 60 %"


def test_queues_that_were_left_are_served_again() -> None:
    """What came meanwhile is taken; a consumer that a reconnection has made is left as well."""
    taken: list[Any] = []

    def consumer(channel: Any) -> Consumer:
        return Consumer(channel, [Queue("shop")], callbacks=[lambda body, message: taken.append(body)])

    with Connection("memory://") as connection:
        intake = Intake(lambda act: act())
        first = consumer(connection.default_channel)
        first.consume()
        producer = connection.Producer(routing_key="shop")
        intake.hold(first, held=True)
        producer.publish(1)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.05)
        intake.hold(first, held=False)
        connection.drain_events(timeout=1)
        assert taken == [1]
        intake.hold(first, held=True)
        second = consumer(connection.channel())
        second.consume()
        intake.hold(second, held=True)
        producer.publish(2)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.05)
        intake.hold(second, held=False)
        connection.drain_events(timeout=1)
        assert taken == [1, 2]


@pytest.mark.usefixtures("shop")
def test_slots_of_a_held_host_do_not_count(raw: RawConnection, engine: sa.Engine) -> None:
    """The window has room for the other workers alone."""
    common: Any = {"pid": 1, "pool": "threads", "queues": ["shop"], "steps": [], "tickets": []}
    load: Any = {"cpu_percent": 97.0, "rss_bytes": 0}
    for name, slots, because in (("a", 8, "CPU at 97 %, over its limit of 90 %"), ("b", 2, None)):
        workers.beat(raw, Beat(name, name, name, slots=slots, held_because=because, **common, **load))
    [window] = [window for window in dispatch_windows.windows(raw) if window.queue == "shop"]
    assert window.slots == 2
    with engine.connect() as connection:
        assert [worker.live_slots("shop") for worker in workers.live(connection)] == [0, 2]


def test_a_worker_on_a_full_host_takes_nothing(programs: Programs, engine: sa.Engine, shop: Recipe) -> None:
    """Its memory is over the limit: it says so, and what was handed out is done by the other one."""

    def why() -> str | None:
        with engine.connect() as connection:
            return next((worker.held_because for worker in workers.live(connection)), None)

    programs.worker("full", HMS_HOST_MEMORY_LIMIT="1")
    assert "over its limit of 1 %" in str(wait_until(why, "the worker to be held", 40))
    with engine.begin() as connection:
        commands.limit(connection, "shop", window=5, starts_per_minute=None, who="test")
    job = order(engine, shop).id
    programs.dispatcher()
    wait_until(lambda: look(engine, job).status == "queued", "the job to be handed out", 20)
    programs.worker("free")
    wait_until(lambda: look(engine, job).status == "done", "the job to be done", 40)
    with engine.connect() as connection:
        events = read.event_log(connection, job)
    assert {str(event.who).partition("@")[0] for event in events if event.fact == "claimed"} == {"free"}
