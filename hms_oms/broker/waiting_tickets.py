"""Read the tickets that stand in Redis, without taking any."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import redis

from hms_oms.broker import envelope
from hms_oms.broker.publishing import PRIORITY_STEPS
from hms_oms.runtime import sentinel

log = logging.getLogger(__name__)

#: Who looks at messages has more to do than to wait longer for Redis, in seconds.
PATIENCE_SECONDS = 5.0
#: How kombu joins a queue's name and a priority step into the key of a list.
_SEPARATOR = "\x06\x16"


def client(url: str) -> redis.Redis:
    """A new client that waits so long for an answer, and does not ask again by itself."""
    return sentinel.impatient_client(url, PATIENCE_SECONDS)


def keys(queue: str) -> list[str]:
    """The lists that make up a queue in Redis, the more urgent first."""
    return [f"{queue}{_SEPARATOR}{step}" if step else queue for step in PRIORITY_STEPS]


def tickets(connection: redis.Redis, queues: Iterable[str]) -> set[str]:
    """The tickets of every message of ours that stands in the lists of `queues`."""
    names: set[str] = set()
    for queue in queues:
        for key in keys(queue):
            try:
                messages = connection.lrange(key, 0, -1)
            except redis.ResponseError as error:
                if not is_wrong_type(error):
                    raise
                clear(connection, [key])
                continue
            names.update(envelope.ticket(message) for message in messages)
    return names


def is_wrong_type(error: redis.ResponseError) -> bool:
    """Whether Redis refused a command because a key holds something other than a list."""
    return str(error).startswith("WRONGTYPE")


def clear(connection: redis.Redis, names: Iterable[str], kind: bytes = b"list") -> None:
    """Remove what stands under keys of ours and is of another kind: it would stop the queue."""
    for key in names:
        if connection.type(key) not in (kind, b"none"):
            connection.delete(key)
            log.warning("a key of ours held no %s, and was removed", kind.decode())
