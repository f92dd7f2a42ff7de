"""A Redis that refuses writes, as a replica or for want of memory, ends no worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
import sqlalchemy as sa

from hms_oms.broker import waiting_tickets
from hms_oms.jobs import commands
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, wait_until
from tests.crash.test_crashes import status
from tests.workers.test_running import ended, order


@contextmanager
def refusing(broker: str, why: str) -> Iterator[None]:
    """Have Redis refuse writes as long as the block lasts."""
    with waiting_tickets.client(broker) as client:
        try:
            if why == "READONLY":
                client.replicaof("127.0.0.1", 9)  # nobody listens there
            else:
                client.config_set("maxmemory", 1)
            with pytest.raises(redis.ResponseError):
                client.set("written", "?")
            yield
        finally:
            client.replicaof("NO", "ONE")
            client.config_set("maxmemory", 0)


@pytest.mark.parametrize("why", ["READONLY", "OOM"])
def test_a_redis_that_refuses_writes_ends_no_worker(
    programs: Programs, engine: sa.Engine, shop: Recipe, broker: str, why: str
) -> None:
    """Workers that are at work, and those that are started meanwhile, go on when it takes writes again."""
    programs.dispatcher()
    workers = [programs.worker("first", "threads")]
    assert ended(engine, order(engine, shop, 1)).status == "done"
    with refusing(broker, why):
        workers.append(programs.worker("second", "prefork"))
        wait_until(lambda: "Trying to" in programs.said("second"), "the second worker to try again")
    workers[0].kill()
    assert ended(engine, order(engine, shop, 2)).status == "done"
    assert workers[1].poll() is None


def test_what_is_lost_is_found_while_redis_is_full(
    programs: Programs, engine: sa.Engine, shop: Recipe, broker: str
) -> None:
    """It shows what stands in it: its messages are taken for lost then, not when it takes writes again."""
    with engine.begin() as connection:
        commands.limit(connection, "shop", window=1, starts_per_minute=None, who="test")
    programs.dispatcher()
    job = order(engine, shop, 1)
    wait_until(lambda: status(engine, job) == "queued", "its message")
    with waiting_tickets.client(broker) as client:
        client.delete(*waiting_tickets.keys("shop"))
    with refusing(broker, "OOM"):
        wait_until(lambda: status(engine, job) == "waiting", "the loss to be found")
