"""Recovery, one sweep at a time: what is lost is taken back, and nothing else is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from hms_act import recovery
from hms_act.dispatcher import make_app
from hms_act.recovery import Recovery
from hms_oms.broker import publishing, waiting_tickets
from hms_oms.daemon import clock
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger, reservations, workers
from hms_oms.jobs.tickets import Ticket
from hms_oms.jobs.workers import Beat
from hms_oms.recipes.recipes import Recipe
from tests.conftest import wait_until
from tests.oms.test_advance import received
from tests.oms.test_guards import on_desk
from tests.oms.test_ledger import claim, look, order

Forward = Callable[[timedelta], None]
LONG = 60.0


@pytest.fixture
def prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket that nobody shows is lost at the second look."""
    monkeypatch.setattr(recovery, "GRACE_SECONDS", -1.0)
    monkeypatch.setattr(recovery, "MISSING_SECONDS", 0.0)
    # The clock of the database is moved by these tests, and nothing else is to follow it.
    monkeypatch.setattr(clock, "JUMP_SECONDS", 1e9)


def queued(engine: sa.Engine, raw: RawConnection, shop: Recipe, number: int = 1) -> Ticket:
    """The ticket of a job that was dispatched, and whose message nobody has."""
    job = order(engine, shop, number).id
    ledger.take(raw, "shop", 1)
    return Ticket(job, 1, "pick")


def publish(broker: str, ticket: Ticket) -> None:
    """Put the message of a ticket into Redis."""
    app = make_app(broker)
    with app.producer_pool.acquire(block=True) as producer:
        publishing.publish(app, producer, "shop.pick", str(ticket), queue="shop", priority=0, time_limit=20)


def test_a_message_that_nobody_has_is_published_again(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, prompt: None
) -> None:
    """Neither Redis nor a worker shows it: the job goes back to the backlog under a new attempt."""
    ticket = queued(engine, raw, shop)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert swept.sweep() == 1
    assert (look(engine, ticket.job).status, look(engine, ticket.job).attempt) == ("waiting", 2)


def test_a_message_is_not_lost_at_the_first_look(
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    broker: str,
    prompt: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker that has just taken it says so with its next heartbeat."""
    monkeypatch.setattr(recovery, "MISSING_SECONDS", LONG)
    ticket = queued(engine, raw, shop)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert (swept.sweep(), swept.sweep()) == (0, 0)
    assert look(engine, ticket.job).status == "queued"


def test_a_message_is_not_lost_before_each_worker_has_spoken(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, prompt: None, forward: Forward
) -> None:
    """A worker whose heartbeats come late may have it: its next one says so."""
    ticket = queued(engine, raw, shop)
    received(raw)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert (swept.sweep(), swept.sweep()) == (0, 0)
    forward(recovery.NAMED)
    received(raw)
    assert swept.sweep() == 1
    assert look(engine, ticket.job).status == "waiting"


def test_a_worker_that_names_nothing_keeps_no_message(
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    broker: str,
    prompt: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A step that holds the interpreter keeps its worker from naming anything: that is waited for a while."""
    monkeypatch.setattr(recovery, "DOUBT_SECONDS", 0.0)
    queued(engine, raw, shop)
    received(raw)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert swept.sweep() == 1


def test_a_message_that_stands_in_redis_is_there(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, prompt: None
) -> None:
    """However long it waits: no second one is published."""
    ticket = queued(engine, raw, shop)
    publish(broker, ticket)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert (swept.sweep(), swept.sweep()) == (0, 0)


def test_a_message_that_a_worker_has_is_there(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, prompt: None, forward: Forward
) -> None:
    """A worker that has taken it and not begun names it with each heartbeat."""
    ticket = queued(engine, raw, shop)
    received(raw, ticket)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert swept.sweep() == 0
    forward(recovery.NAMED)
    received(raw, ticket)
    assert swept.sweep() == 0


def test_an_error_of_redis_says_nothing_of_messages(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, prompt: None
) -> None:
    """While Redis does not answer no message is taken for lost."""
    queued(engine, raw, shop)
    away = redis.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    with pytest.raises(RedisConnectionError):
        away.ping()
    swept = Recovery(raw, away, watched=LONG)
    assert (swept.sweep(), swept.sweep()) == (0, 0)


def test_nobody_is_judged_before_the_workers_could_speak(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, prompt: None, forward: Forward
) -> None:
    """A new leader takes nothing back; one that goes on with the watch of the one before does at once."""
    running, waiting = (queued(engine, raw, shop, number) for number in (1, 2))
    received(raw, running)
    assert claim(raw, running.job, "pick")
    forward(timedelta(seconds=workers.GONE_SECONDS + 1))
    assert Recovery(raw, waiting_tickets.client(broker)).sweep() == 0
    assert Recovery(raw, waiting_tickets.client(broker), watched=LONG).sweep() == 2
    assert {look(engine, job).status for job in (running.job, waiting.job)} == {"waiting"}


def test_a_step_that_its_worker_names_is_kept(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, prompt: None, forward: Forward
) -> None:
    """A live worker has what it names; what it does not name for two heartbeats it does not have."""
    ticket = queued(engine, raw, shop)
    received(raw)
    assert claim(raw, ticket.job, "pick")
    forward(timedelta(seconds=recovery.UNHELD_SECONDS + 1))
    received(raw, ticket)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert swept.sweep() == 0
    received(raw)
    assert swept.sweep() == 1


def test_a_reservation_that_has_run_out_is_taken_back(
    engine: sa.Engine, raw: RawConnection, returns: Recipe, broker: str, prompt: None, forward: Forward
) -> None:
    """The desk gets a job again whose agent was silent for longer than its lease; a new leader waits."""
    job = on_desk(engine, raw, returns)
    assert reservations.reserve_now(raw, "returns-desk", agent="ann", lease=10.0)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert swept.sweep() == 0
    forward(timedelta(seconds=11))
    assert Recovery(raw, waiting_tickets.client(broker)).sweep() == 0
    assert swept.sweep() == 1
    assert (look(engine, job).status, look(engine, job).worker) == ("waiting", None)


def test_a_clock_that_jumps_ends_no_lease(
    engine: sa.Engine, raw: RawConnection, returns: Recipe, broker: str, forward: Forward
) -> None:
    """Leases are lengths of time: when the database's clock is set they follow."""
    job = on_desk(engine, raw, returns)
    assert reservations.reserve_now(raw, "returns-desk", agent="ann", lease=10.0)
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    assert swept.sweep() == 0
    forward(timedelta(hours=1))
    assert (swept.sweep(), swept.sweep()) == (0, 0)
    assert look(engine, job).worker == "ann"


@pytest.mark.parametrize("hours", [-1, 1])
def test_heartbeats_are_as_old_after_a_jump_of_the_clock_as_before(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, forward: Forward, hours: int
) -> None:
    """A worker that lives is not lost, one that is silent is not heard again, and nobody waits for either."""
    workers.beat(raw, Beat("lost", "lost@here", "here", 2, "threads", 2, ["shop"], ["shop.pick"], [], 0.0, 0))
    ticket = queued(engine, raw, shop)
    assert ledger.claim(raw, [(ticket, 600.0)], "lost")
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    # Steps that are no jumps, and one that is; those around it are less than a worker may be silent.
    steps = [timedelta(seconds=2), timedelta(seconds=2), timedelta(hours=hours), timedelta(seconds=1)]
    losses = []
    for step in (*steps, timedelta(seconds=1.5)):
        losses.append(swept.sweep())
        forward(step)
        received(raw)
    assert (losses, swept.sweep()) == ([0] * len(losses), 1)
    assert look(engine, ticket.job).status == "waiting"


def test_a_database_that_answers_late_has_no_worker_judged(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database may have answered nobody meanwhile: no worker is lost for heartbeats from before."""
    monkeypatch.setattr(recovery, "STALLED_SECONDS", 0.2)
    workers.beat(raw, Beat("w", "w@here", "here", 2, "threads", 2, ["shop"], ["shop.pick"], [], 0.0, 0))
    ticket = queued(engine, raw, shop)
    assert ledger.claim(raw, [(ticket, 600.0)], "w")
    swept = Recovery(raw, waiting_tickets.client(broker), watched=LONG)
    swept._took_over -= LONG
    assert swept.sweep() == 0
    losses: list[int] = []
    sweeping = threading.Thread(target=lambda: losses.append(swept.sweep()))
    with engine.begin() as connection:
        connection.execute(sa.text("lock table public.clock in access exclusive mode"))
        connection.execute(sa.text("update oms.workers set beat_at = beat_at - interval '1 minute'"))
        began = time.monotonic()
        sweeping.start()
        wait_until(lambda: time.monotonic() - began > 0.4, "the answer to be late")
    sweeping.join()
    assert losses == [0]
    swept._began -= LONG
    assert swept.sweep() == 1


@pytest.mark.parametrize("led", [True, False])
def test_a_clock_that_is_set_back_hides_no_loss(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, forward: Forward, led: bool
) -> None:
    """What was noted ahead of it is as old as can be: or a lost worker was heard till the clock is there."""
    queued(engine, raw, shop)
    received(raw)
    swept = Recovery(raw, waiting_tickets.client(broker))
    if led:
        swept.sweep()
    forward(timedelta(hours=-1))
    swept.sweep()
    with engine.connect() as connection:
        ahead = sa.text(
            "select (select count(*) from oms.workers where greatest(beat_at, tickets_at) > oms.now()),"
            " (select count(*) from oms.jobs where since > oms.now())"
        )
        assert tuple(connection.execute(ahead).one()) == (0, 0)
