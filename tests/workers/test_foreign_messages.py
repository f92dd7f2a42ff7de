"""Whatever somebody writes to Redis is dropped and told, and stops no worker."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.broker import envelope
from hms_oms.broker import waiting_tickets as redis_tickets
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, wait_until
from tests.workers.test_running import ended, order

TICKET = "job-1.1.pick"


def step(**changes: Any) -> dict[str, Any]:
    """A message as the dispatcher writes it, with some of its parts changed; `body` is given decoded."""
    chain = [
        {
            "task": "shop.pack",
            "args": ["job-1.1.pack"],
            "kwargs": {},
            "options": {"task_id": "job-1.1.pack", "queue": "shop", "priority": 0, "time_limit": 20},
            "subtask_type": None,
            "immutable": True,
        }
    ]
    parts: dict[str, Any] = {
        "body": [[TICKET], {}, {"callbacks": None, "errbacks": None, "chain": chain, "chord": None}],
        "headers": {"lang": "py", "task": "shop.pick", "id": TICKET, "timelimit": [20, None]},
        "properties": {
            "correlation_id": TICKET,
            "delivery_info": {"exchange": "", "routing_key": "shop"},
            "delivery_tag": "tag",
            "priority": 9,
            "body_encoding": "base64",
        },
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }
    parts.update(changes)
    parts["body"] = base64.b64encode(json.dumps(parts["body"]).encode()).decode()
    return parts


def forged(part: str, **changes: Any) -> bytes:
    """A message with some fields of its headers or properties changed."""
    whole = step()
    return json.dumps({**whole, part: {**whole[part], **changes}}).encode()


def embedded(**changes: Any) -> bytes:
    """A message with something else embedded in its body."""
    return json.dumps(step(body=[[TICKET], {}, {"chain": None, **changes}])).encode()


def links(**changes: Any) -> bytes:
    """A message whose chain has a step with some fields changed."""
    link = {
        "task": "shop.pack",
        "args": ["job-1.1.pack"],
        "kwargs": {},
        "options": {"task_id": "job-1.1.pack", "queue": "shop"},
    }
    return embedded(chain=[{**link, **changes}])


JUNK: dict[str, bytes] = {
    "body-7": json.dumps(step(body=7)).encode(),
    "body-null": json.dumps(step(body=None)).encode(),
    "body-two": json.dumps(step(body=[[], {}])).encode(),
    "body-other-ticket": json.dumps(step(body=[["job-2.1.pick"], {}, {}])).encode(),
    "body-words": json.dumps(step(body=[[TICKET], {"a": 1}, {}])).encode(),
    "null": b"null",
    "list": b"[]",
    "number": b"7",
    "text": b'"x"',
    "nothing": b"",
    "not-json": b"hello",
    "not-utf-8": b"\xff\xfe",
    "brackets": b"[" * 50_000,
    "too-long": b'{"a": "' + b"x" * 70_000 + b'"}',
    "empty": b"{}",
    "nan": b'{"headers": NaN}',
    "no-properties": json.dumps(
        {key: value for key, value in step().items() if key != "properties"}
    ).encode(),
    "id-list": forged("headers", id=[TICKET]),
    "id-null": forged("headers", id=None),
    "id-no-ticket": forged("headers", id="hello"),
    "task-list": forged("headers", task=["shop.pick"]),
    "task-escape": forged("headers", task="\x1b[2J"),
    "limits-text": forged("headers", timelimit=["x", None]),
    "limits-one": forged("headers", timelimit=[1]),
    "limits-below": forged("headers", timelimit=[-1, None]),
    "limits-for-years": forged("headers", timelimit=[1e12, None]),
    "root-list": forged("headers", root_id=[]),
    "tag-null": forged("properties", delivery_tag=None),
    "priority-text": forged("properties", priority="x"),
    "priority-true": forged("properties", priority=True),
    "delivery-null": forged("properties", delivery_info=None),
    "encoding-other": forged("properties", body_encoding="rot13"),
    "not-base64": json.dumps({**step(), "body": "!"}).encode(),
    "content-pickle": json.dumps({**step(), "content-type": "application/x-python-serialize"}).encode(),
    "chord": embedded(chord={"task": "shop.pick"}),
    "errbacks": embedded(errbacks=[{"task": "shop.pick"}]),
    "chain-number": embedded(chain=7),
    "chain-other-job": links(args=["job-2.1.pack"], options={"task_id": "job-2.1.pack", "queue": "shop"}),
    "chain-no-queue": links(options={"task_id": "job-1.1.pack"}),
    "chain-link": links(options={"task_id": "job-1.1.pack", "queue": "shop", "link": [{"task": "x"}]}),
    "chain-group": links(subtask_type="group"),
}


@pytest.mark.parametrize("item", JUNK.values(), ids=JUNK.keys())
def test_what_is_not_a_message_of_ours_is_refused(item: bytes) -> None:
    """Each part of a message has one form, and anything else is named without being quoted."""
    with pytest.raises(envelope.Malformed) as refused:
        envelope.read(item)
    assert "hello" not in str(refused.value)


def test_a_message_of_ours_is_read() -> None:
    """What the junk is made from is taken whole."""
    assert envelope.read(json.dumps(step()).encode())["headers"]["id"] == TICKET


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
        max_leaves=12,
    ),
    st.sampled_from(["body", "headers", "properties", "content-type", "content-encoding"]),
)
def test_nothing_but_a_refusal_comes_of_a_changed_part(value: Any, part: str) -> None:
    """Whatever stands in one part of a message, it is read or refused, and nothing else happens."""
    with contextlib.suppress(envelope.Malformed):
        envelope.read(json.dumps({**step(), part: value}).encode())


@pytest.fixture
def client(broker: str) -> Iterator[redis.Redis]:
    """What somebody with Redis' password can do."""
    with redis_tickets.client(broker) as opened:
        yield opened


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_junk_in_redis_stops_no_worker(
    programs: Programs, engine: sa.Engine, shop: Recipe, client: redis.Redis, pool: str
) -> None:
    """With junk on every list and channel, and a command to shut down, jobs are done and the worker lives."""
    programs.dispatcher()
    worker = programs.worker("w", pool)
    assert ended(engine, order(engine, shop, 1)).status == "done"
    for item in JUNK.values():
        client.lpush("shop", item)
    for word in (b"[]", b"null", b"7", b"hello", b"[" * 50_000, b"{}", b'{"body": 7}'):
        client.publish("/0.celery.pidbox", word)
        client.publish("/0.celeryev/worker.heartbeat", word)
    client.set("shop\x06\x169", "not a list")
    for key in client.keys("_kombu.binding.*"):
        client.delete(key)
        client.set(key, "not a set")
    for command in ("shutdown", "pool_shrink", "cancel_consumer", "rate_limit"):
        client.publish("/0.celery.pidbox", _command(command))
    wait_until(
        lambda: programs.said("w").count("in queue shop was dropped") >= len(JUNK), "the junk to be dropped"
    )
    assert ended(engine, order(engine, shop, 2)).status == "done"
    assert worker.poll() is None
    refused = programs.said("w").count("its command is none that may be given over Redis")
    assert refused == 4


def test_a_flood_of_well_formed_strangers_is_passed_by(
    programs: Programs, engine: sa.Engine, shop: Recipe, client: redis.Redis
) -> None:
    """Tickets of jobs that are not there, of steps that nobody has, and of another step's task: all void."""
    programs.dispatcher()
    worker = programs.worker("w", "threads", 1)
    assert ended(engine, order(engine, shop, 1)).status == "done"
    client.lpush("shop", *(stranger(f"job-{10**9 + number}.1.pick", "shop.pick") for number in range(500)))
    client.lpush("shop", stranger("job-1.1.pick", "shop.send"), stranger("job-1.1.nothing", "os.system"))
    assert ended(engine, order(engine, shop, 2)).status == "done"
    wait_until(lambda: client.llen("shop") == 0, "the strangers to be taken")
    assert worker.poll() is None
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.jobs where status <> 'done'")) == 0
        assert connection.scalar(sa.text("select max(attempt) from oms.jobs")) == 1


def stranger(ticket: str, task: str) -> bytes:
    """A message in our form for any ticket and task."""
    whole = step()
    embed = {"callbacks": None, "errbacks": None, "chain": [], "chord": None}
    return json.dumps(
        {
            **step(body=[[ticket], {}, embed]),
            "headers": {**whole["headers"], "task": task, "id": ticket},
            "properties": {**whole["properties"], "correlation_id": ticket},
        }
    ).encode()


def _command(method: str) -> bytes:
    body = {"method": method, "arguments": {"queue": "shop"}, "destination": None}
    message = {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "headers": {"clock": 1, "expires": None},
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "properties": {
            "delivery_tag": "tag",
            "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
            "body_encoding": "base64",
        },
    }
    return json.dumps(message).encode()
