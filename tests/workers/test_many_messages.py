"""Messages are taken from Redis together where it can do so, and one by one where it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import kombu.transport
import pytest
import redis
from kombu import Connection, Consumer, Exchange, Queue

from hms_oms.broker import transport
from hms_oms.broker import waiting_tickets as redis_tickets
from tests.workers.test_foreign_messages import step

MESSAGES = 10
USER, PASSWORD = "old", "secret-of-the-test"


@pytest.fixture
def client(broker: str) -> Iterator[redis.Redis]:
    """Redis, and in it a queue of messages."""
    client = redis_tickets.client(broker)
    for number in range(MESSAGES):
        client.lpush("shop", json.dumps(step() | {"properties": _properties(number)}))
    client.config_resetstat()
    yield client
    client.acl_deluser(USER)


def _properties(number: int) -> dict[str, Any]:
    properties: dict[str, Any] = step()["properties"]
    return {**properties, "delivery_tag": f"tag-{number}"}


def received(broker: str, most: int) -> list[str]:
    """The delivery tags of what a consumer with room for so many messages takes."""
    transport.install()
    # Something else in this process may have asked for Redis before.
    kombu.transport._transport_cache.clear()
    tags: list[str] = []

    def keep(_: Any, message: Any) -> None:
        tags.append(message.delivery_tag)
        if len(tags) % most == 0:
            message.ack()

    with Connection(broker) as connection, connection.channel() as channel:
        queue = Queue("shop", Exchange("shop"), routing_key="shop")(channel)
        with Consumer(channel, [queue], callbacks=[keep], accept=["json"]) as consumer:
            consumer.qos(prefetch_count=most)
            while len(tags) < min(MESSAGES, most):
                connection.drain_events(timeout=10)
    return tags


def calls(client: redis.Redis, command: str) -> int:
    """How often a command was given since the messages were written."""
    return int(client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


def test_many_messages_are_taken_by_one_command(broker: str, client: redis.Redis) -> None:
    """The oldest come first, and no more than the consumer has room for."""
    assert received(broker, MESSAGES) == [f"tag-{number}" for number in range(MESSAGES)]
    assert calls(client, "blmpop") <= 2
    assert calls(client, "brpop") == 0


def test_no_more_is_taken_than_there_is_room_for(broker: str, client: redis.Redis) -> None:
    """What a worker has no room for stays where any other finds it."""
    assert received(broker, 4) == [f"tag-{number}" for number in range(4)]
    assert client.llen("shop") == MESSAGES - 4


def test_a_redis_that_does_not_let_us_gives_them_one_by_one(broker: str, client: redis.Redis) -> None:
    """A user of Redis whose rights are those of the release before works as before."""
    client.acl_setuser(
        USER,
        enabled=True,
        passwords=[f"+{PASSWORD}"],
        commands=["+@all", "-blmpop"],
        keys=["*"],
        channels=["*"],
    )
    url = broker.replace("://", f"://{USER}:{PASSWORD}@", 1)
    assert received(url, MESSAGES) == [f"tag-{number}" for number in range(MESSAGES)]
    assert calls(client, "brpop") >= MESSAGES


def test_an_answer_is_read_though_there_is_no_room_any_more(broker: str, client: redis.Redis) -> None:
    """It was asked for while there was: unread, nobody would know who has it."""
    transport.install()
    kombu.transport._transport_cache.clear()
    client.delete("shop")
    tags: list[str] = []
    with Connection(broker) as connection, connection.channel() as channel:
        queue = Queue("shop", Exchange("shop"), routing_key="shop")(channel)
        taking = Consumer(channel, [queue], callbacks=[lambda _, message: tags.append(message.delivery_tag)])
        with taking as consumer:
            consumer.qos(prefetch_count=2)
            with pytest.raises(TimeoutError):
                # Redis is asked, and has nothing.
                connection.drain_events(timeout=0.1)
            assert channel._in_poll
            consumer.qos(prefetch_count=1)
            channel.qos.append(channel.Message({**step(), "body": b"{}"}, channel=channel), "taken meanwhile")
            assert not channel.qos.can_consume()
            client.lpush("shop", json.dumps(step() | {"properties": _properties(0)}))
            connection.drain_events(timeout=10)
    assert tags == ["tag-0"]
