"""A limit that has slots idle, on the real stack: it is named everywhere, and its number is right."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_floor.auth.tokens import Role
from hms_floor.presentation import headline, overview
from hms_oms.jobs import commands
from hms_oms.recipes.recipes import Recipe
from hms_ops import watch
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.incidents import thresholds
from hms_ops.metrics.measure import Measure
from tests.api import conftest as apis
from tests.conftest import Programs, wait_until

#: Orders, the minutes that they have, and the limit: they take 50 seconds at it, and have 40.
ORDERS, MINUTES, LIMIT = 100, 2 / 3, 120


class Eyes:
    """The watch's own look, which is kept."""

    def __init__(self, engine: sa.Engine) -> None:
        self.measure = Measure(engine, None)
        self.snapshot: Snapshot | None = None

    def look(self, connection: sa.Connection, heavy: bool) -> Snapshot:
        """The floor as it is now."""
        self.snapshot = self.measure.look(connection, heavy)
        return self.snapshot


@pytest.mark.drill
def test_a_limit_is_the_cause_and_the_number_holds_the_deadlines(
    programs: Programs, engine: sa.Engine, shop: Recipe, database: str, broker: str, tmp_path: Path
) -> None:
    """Floor, API and finding say limit and number, not workers; raised to it, no order is late."""
    limit(engine, LIMIT)
    programs.dispatcher()
    programs.worker(pool="threads", slots=8)
    home = tmp_path / "api"
    home.mkdir()
    api_server = apis.start(database, broker, home)
    eyes = Eyes(engine)
    watching = watch.Watch(engine.begin, eyes, sender_is_local=True)

    def forecast() -> Any:
        watching.turn()
        assert eyes.snapshot is not None
        (queue,) = [queue for queue in eyes.snapshot.queues if queue.name == "shop"]
        return queue if queue.forecast and queue.forecast.trusted else None

    try:
        wait_until(lambda: watching.turn() is not None and workers(engine), "a worker", 60)
        with engine.begin() as connection:
            orders = [{"number": number} for number in range(ORDERS)]
            accept.accept_many(connection, shop, orders, requested_by="test", sla_minutes=MINUTES)
        queue = wait_until(forecast, "a forecast that is trusted", 30)
        cause = queue.cause
        assert (cause.kind, cause.set_by, cause.limit) == ("limit", "ann", LIMIT)
        [remedy] = cause.remedies
        assert remedy.verb == "raise-limit"
        assert LIMIT < remedy.number < 3 * LIMIT

        with engine.connect() as connection:
            limits = thresholds.limits(connection)
        assert eyes.snapshot is not None
        [rows] = [item for item in watch.judge(eyes.snapshot, limits)[0] if item.rule == "forecast"]
        assert rows.facts["cause"]["remedies"][0] == {
            "verb": "raise-limit",
            "number": remedy.number,
            "slots": None,
        }
        # The floor shows what was last written for it, which may be a moment old.
        words = wait_until(lambda: watching.turn() is not None and sentence(engine), "the floor to say so")
        assert f"no more than {LIMIT} jobs a minute may start (set by ann" in words
        assert "worker" not in words
        [answer] = [
            item for item in api_server.get("/queues", Role.VIEWER)["queues"] if item["name"] == "shop"
        ]
        assert answer["cause"]["kind"] == "limit"
        assert f"raise the limit to {answer['cause']['remedies'][0]['number']}" in answer["cause"]["sentence"]
        assert 60 * answer["throughputNow"] <= 1.5 * LIMIT

        # What a person does takes time; the number that is shown is that of now.
        limit(engine, forecast().cause.first.number)
        wait_until(
            lambda: watching.turn() is not None and not still_open(engine), "all orders to be done", 60
        )
        assert late(engine) == 0
    finally:
        api_server.process.terminate()
        api_server.process.wait(10)
        api_server.client.close()


def sentence(engine: sa.Engine) -> str | None:
    """What the floor says of the queue, once it says what holds it back."""
    with engine.connect() as connection:
        [card] = [card for card in overview.read(connection).cards if card.name == "shop"]
    words = headline.queue_verdict(card, UTC)
    return words if "may start" in words else None


def limit(engine: sa.Engine, starts: int) -> None:
    """Limit the starts a minute of the shop."""
    with engine.begin() as connection:
        commands.limit(connection, "shop", window=None, starts_per_minute=starts, who="ann")


def workers(engine: sa.Engine) -> int:
    """How many workers live."""
    return number(engine, "select count(*) from oms.workers")


def still_open(engine: sa.Engine) -> int:
    """How many orders have not ended."""
    return number(engine, "select count(*) from oms.jobs where finished_at is null")


def late(engine: sa.Engine) -> int:
    """How many orders were done after their deadline."""
    return number(engine, "select count(*) from oms.jobs where finished_at > sla")


def number(engine: sa.Engine, query: str) -> int:
    """A count from the ledger."""
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())
