"""The receiver hears real workers, and crafted events over real Redis, whatever is done to either."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from kombu import transport as kombu_transport
from kombu.transport import redis

from hms_floor.local import embedded
from hms_oms.broker import waiting_tickets as redis_tickets
from hms_oms.recipes.recipes import Recipe
from hms_ops.events import event_buffer
from hms_ops.events.event_buffer import BufferedEvents, EventBuffer
from hms_ops.events.receiver import LAST_SECONDS, Receiver
from tests.conftest import Programs, wait_until
from tests.support.worker_events import event, listening, tell
from tests.workers.test_running import ended, order

CHANNEL = "/0.celeryev/task.multi"


@pytest.fixture
def receiver(broker: str) -> Iterator[Receiver]:
    """A receiver that is listening."""
    with listening(broker) as receiver:
        yield receiver


@pytest.fixture
def hear(receiver: Receiver) -> Callable[[int], BufferedEvents]:
    """Wait until so many events and malformed ones were heard; what was heard in all."""

    def listen(count: int) -> BufferedEvents:
        so_far = BufferedEvents()

        def enough() -> BufferedEvents | None:
            nonlocal so_far
            new = receiver.drain()
            so_far = BufferedEvents(
                so_far.tickets | new.tickets,
                so_far.events + new.events,
                so_far.malformed + new.malformed,
                so_far.dropped + new.dropped,
                new.last,
            )
            return so_far if so_far.events + so_far.malformed >= count else None

        return wait_until(enough, f"{count} events")  # type: ignore[no-any-return]

    return listen


def test_events_of_real_workers_are_received(
    programs: Programs, engine: sa.Engine, shop: Recipe, receiver: Receiver
) -> None:
    """Each ticket that a worker runs is heard, and the worker's own beats are counted as events."""
    job = order(engine, shop, 1)
    programs.dispatcher()
    programs.worker(pool="threads")
    ended(engine, job)
    tickets: set[str] = set()
    expected = {f"job-{job}.1.{step}" for step in ("pick", "pack", "send")}
    events = 0

    def all_received() -> bool:
        nonlocal events
        received_now = receiver.drain()
        tickets.update(received_now.tickets)
        events += received_now.events
        return tickets >= expected

    wait_until(all_received, "all tickets to be heard")
    # One event a step at least, and those of the worker itself.
    assert events > len(expected)


def test_lists_and_single_events_are_received(broker: str, hear: Callable[[int], BufferedEvents]) -> None:
    """Bundles count event by event; a worker's beat is heard, but tells of no ticket."""
    tell(
        broker,
        [event("task-started", "job-1.1.pick"), event("task-succeeded", "job-1.1.pick")],
        event("task-failed", "job-2.1.pick"),
        event("task-received", "job-3.1.pick"),
        {"type": "worker-heartbeat", "hostname": "w@here", "active": 1},
    )
    said = hear(5)
    assert (said.tickets, said.events, said.malformed) == ({"job-1.1.pick", "job-2.1.pick"}, 5, 0)
    assert said.last is not None


def test_skewed_clocks_and_zones_do_not_matter(broker: str, hear: Callable[[int], BufferedEvents]) -> None:
    """Wrong timestamps and offsets, and none at all, are heard like any other: they are not used."""
    ticket = "job-1.1.pick"
    tell(
        broker,
        event("task-started", ticket, utcoffset=-11, timestamp=0.0),
        event("task-started", ticket, utcoffset=14, timestamp=9e99),
        event("task-started", ticket, utcoffset="?", timestamp=None),
        {"type": "task-succeeded", "uuid": ticket},
    )
    said = hear(4)
    assert (said.tickets, said.events, said.malformed) == ({ticket}, 4, 0)


def test_garbage_is_counted_and_dropped(broker: str, hear: Callable[[int], BufferedEvents]) -> None:
    """What is no event is counted, in every form it comes in, and the next one is heard all the same.

    A bundle with something in it that is no object is one malformed message.
    """
    tell(broker, 7, "text", None, [1, {}], {"type": 5}, {"type": "task-started"})
    tell(broker, event("task-started", "x" * 1000), event("task-started", ["job-1.1.pick"]))
    assert hear(8).malformed == 8
    tell(broker, {"type": "task-started", "uuid": "job-1.1.pick"}, serializer="yaml")
    assert hear(1).malformed == 1
    tell(broker, event("task-started", "job-4.1.pick"))
    assert hear(1).tickets == {"job-4.1.pick"}


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps({"body": "%%", "properties": {"body_encoding": "base64", "delivery_tag": "1"}}),
        json.dumps({"body": "e30=", "properties": {}}),
        json.dumps({"no": "message"}),
        json.dumps([1, 2]),
        "not even json",
    ],
    ids=["body", "properties", "envelope", "list", "text"],
)
def test_garbage_that_is_no_message_is_survived(broker: str, receiver: Receiver, raw: str) -> None:
    """What kombu itself cannot read does not end the receiver."""
    client = redis_tickets.client(broker)
    client.publish(CHANNEL, raw)

    def received_again() -> bool:
        tell(broker, event("task-started", "job-5.1.pick"))
        return "job-5.1.pick" in receiver.drain().tickets

    wait_until(received_again, "the receiver to listen on")
    client.close()


def test_a_process_that_knew_another_transport_counts_garbage_too(
    broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What kombu remembers of connections made before does not keep the receiver from what it needs."""
    monkeypatch.setitem(kombu_transport._transport_cache, "redis", redis.Transport)
    with listening(broker) as receiver:
        tell(broker, 7)
        wait_until(lambda: receiver.drain().malformed == 1, "the malformed message to be counted")


def test_a_killed_connection_is_made_anew(broker: str, receiver: Receiver) -> None:
    """When the broker closes the connection, the receiver subscribes again and hears on."""
    client = redis_tickets.client(broker)
    before = {item["id"] for item in client.client_list(_type="pubsub")}
    client.client_kill_filter(_type="pubsub")
    wait_until(
        lambda: {item["id"] for item in client.client_list(_type="pubsub")} - before, "a new subscription"
    )

    def received_again() -> bool:
        tell(broker, event("task-started", "job-6.1.pick"))
        return bool(receiver.drain().tickets)

    wait_until(received_again, "an event after the new subscription")
    client.close()


def test_a_frozen_broker_keeps_nobody_from_stopping() -> None:
    """A broker that takes the connection and says nothing holds up the end of the process only briefly."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        receiver = Receiver(f"redis://127.0.0.1:{frozen.getsockname()[1]}/0")
        receiver.start()
        connection, _ = frozen.accept()
        began = time.monotonic()
        receiver.stop()
        assert time.monotonic() - began < 2 * LAST_SECONDS
        connection.close()


def test_a_restart_of_the_broker_is_survived(tmp_path: Path) -> None:
    """The receiver begins without a broker, hears when there is one, and hears again after its restart."""
    home = tmp_path / "home"
    url = embedded.addresses(home)[1]
    made = Receiver(url)
    made.start()
    try:
        for number in (1, 2):
            with embedded.serving(home, database=False):

                def received_now(ticket: str) -> bool:
                    tell(url, event("task-started", ticket))
                    return ticket in made.drain().tickets

                wait_until(lambda: received_now(f"job-{number}.1.pick"), "an event")  # noqa: B023
    finally:
        made.stop()


def test_tickets_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks for a long time: further tickets are counted and dropped, known ones are not."""
    monkeypatch.setattr(event_buffer, "MOST_TICKETS", 10)
    ear = EventBuffer()
    for number in [*range(25), *range(10)]:
        ear.hear(json.dumps(event("task-started", f"job-{number + 1}.1.pick")))
    said = ear.drain()
    assert (len(said.tickets), said.dropped, said.events) == (10, 15, 35)
    assert ear.drain() == BufferedEvents(last=said.last)


@pytest.mark.parametrize("body", [b"[" * 100_000, b" " * (event_buffer.MOST_BYTES + 1), b"\xff\xfe", b""])
def test_bodies_beyond_all_reason_are_refused(body: bytes) -> None:
    """Too deep, too long, no text, nothing: one malformed message each."""
    ear = EventBuffer()
    ear.hear(body)
    assert (ear.drain().malformed, ear.drain().malformed) == (1, 0)
