"""Events as workers send them, and a receiver that is known to hear them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu import Connection, Exchange

from hms_ops.events.receiver import Receiver
from tests.conftest import wait_until


def event(kind: str, ticket: str, **fields: Any) -> dict[str, Any]:
    """An event as a worker sends it."""
    common = {"hostname": "w@here", "utcoffset": 0, "pid": 7, "clock": 1, "timestamp": time.time()}
    return {"type": kind, "uuid": ticket, **common, **fields}


def tell(broker_url: str, *bodies: Any, serializer: str = "json") -> None:
    """Publish messages where workers publish their events."""
    with Connection(broker_url) as connection:
        producer = connection.Producer(exchange=Exchange("celeryev", type="fanout"), serializer=serializer)
        for body in bodies:
            producer.publish(body, routing_key="task.multi")


@contextmanager
def listening(broker_url: str) -> Iterator[Receiver]:
    """A receiver that is listening, and has nothing left to tell."""
    receiver = Receiver(broker_url)
    receiver.start()

    def hears(ticket: str) -> bool:
        tell(broker_url, event("task-started", ticket))
        return ticket in receiver.drain().tickets

    # Others subscribe to this broker, too: only what it hears shows that it listens.
    wait_until(lambda: hears("job-1.1.first"), "the receiver to listen")
    tell(broker_url, event("task-started", "job-1.1.last"))
    wait_until(lambda: "job-1.1.last" in receiver.drain().tickets, "the last of what was told it meanwhile")
    yield receiver
    receiver.stop()
