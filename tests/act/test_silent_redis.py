"""A Redis that takes what it is asked and is silent holds up nothing for longer than one question lasts."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
import sqlalchemy as sa

from hms_act import dispatcher
from hms_act.broker_watch import BrokerWatch
from hms_act.dispatcher import Dispatcher, make_app
from hms_act.recovery import Recovery
from hms_oms.broker import waiting_tickets
from hms_oms.database import probing
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger, workers
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from tests.conftest import wait_until
from tests.oms.test_advance import received
from tests.oms.test_ledger import claim, look, order

LONG = 60.0


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Where connections are made, and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def url(silent: socket.socket) -> str:
    """Its URL."""
    return f"redis://127.0.0.1:{silent.getsockname()[1]}/0"


def test_what_a_lost_worker_had_waits_for_no_answer(
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    silent: socket.socket,
    forward: Callable[[timedelta], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is taken back although the same sweep then waits for Redis."""
    monkeypatch.setattr(waiting_tickets, "PATIENCE_SECONDS", LONG)
    jobs = [order(engine, shop, number).id for number in (1, 2)]
    ledger.take(raw, "shop", 2)
    received(raw, Ticket(jobs[0], 1, "pick"))
    assert claim(raw, jobs[0], "pick")
    forward(timedelta(seconds=workers.GONE_SECONDS + 1))
    sweep = threading.Thread(
        target=Recovery(raw, waiting_tickets.client(url(silent)), watched=LONG).sweep, daemon=True
    )
    sweep.start()
    wait_until(lambda: look(engine, jobs[0]).status == "waiting", "the loss to be found")
    assert sweep.is_alive()
    silent.close()
    sweep.join()


def test_it_is_asked_once(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for it has more to do: to ask again is for the next look."""
    monkeypatch.setattr(waiting_tickets, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(redis.TimeoutError):
        waiting_tickets.client(url(silent)).ping()
    silent.settimeout(0.5)
    silent.accept()[0].close()
    with pytest.raises(TimeoutError):
        silent.accept()


def test_one_queue_waits_for_it_and_the_others_are_left(
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    broker: str,
    silent: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is noticed in the middle of a turn counts at once: each queue would wait as long as the first."""
    monkeypatch.setattr(dispatcher, "PUBLISH_SECONDS", 0.3)
    monkeypatch.setattr(probing, "PATIENCE_SECONDS", 0.1)
    jobs = [order(engine, shop, number).id for number in (1, 2)]
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name) values ('aaa')"))
        commands.move(connection, jobs[:1], "aaa", who="boss", reason=None)
        for queue in ("aaa", "shop"):
            commands.limit(connection, queue, window=5, starts_per_minute=None, who="test")
    watch = BrokerWatch(url(silent))
    recovery = Recovery(raw, waiting_tickets.client(broker))
    acting = Dispatcher(make_app(url(silent)), engine, raw, recovery, watch)

    def notice() -> None:
        with silent.accept()[0]:
            watch.look()

    noticing = threading.Thread(target=notice)
    noticing.start()
    acting.turn()
    noticing.join()
    assert sorted(look(engine, job).status for job in jobs) == ["queued", "waiting"]
