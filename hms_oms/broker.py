"""What stands in Redis: the tickets of the short window, read without taking anything."""

from __future__ import annotations

import json
from collections.abc import Iterable

import redis

from hms_oms import server_urls
from hms_oms.publishing import PRIORITY_STEPS

#: How kombu joins a queue's name and a priority step into the key of a list.
_SEPARATOR = "\x06\x16"


def client(url: str) -> redis.Redis:
    """A new client, with time-outs of five seconds."""
    return redis.Redis.from_url(server_urls.plain(url), socket_timeout=5, socket_connect_timeout=5)


def keys(queue: str) -> list[str]:
    """The lists that make up a queue in Redis, the more urgent first."""
    return [f"{queue}{_SEPARATOR}{step}" if step else queue for step in PRIORITY_STEPS]


def tickets(connection: redis.Redis, queues: Iterable[str]) -> set[str]:
    """The tickets of every message that stands in the lists of `queues`."""
    found: set[str] = set()
    for queue in queues:
        for key in keys(queue):
            messages = connection.lrange(key, 0, -1)
            found.update(_ticket(message) for message in messages)
    return found


def _ticket(message: bytes | str) -> str:
    """The ticket of a message; nothing for one that is none of ours."""
    try:
        return str(json.loads(message)["headers"]["id"])
    except (ValueError, LookupError, TypeError):
        return ""
