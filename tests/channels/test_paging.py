"""Pages to channels: on the outbox of the texts, with its promises, though no channel can be asked."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.messages import outbox
from hms_oms.runtime import settings
from hms_ops.oncall import doubts, oncall
from hms_ops.paging import pager, reconcile
from hms_ops.paging.channels import directory
from hms_ops.paging.channels.channels import Channels
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders.log import Log
from tests.channels import strangers
from tests.channels.strangers import Service
from tests.conftest import Programs, wait_until

BODY = "HMS #K7 farm-grant: 3 jobs are late."
LABEL = " (resend)"
SECRET = "hunter2SECRETtoken"
Forward = Callable[[timedelta], None]


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """One service for all tests of this module."""
    with strangers.service() as stranger:
        yield stranger


@pytest.fixture
def service(running: Service) -> Iterator[Service]:
    """The service, with everything forgotten."""
    running.taken.clear()
    running.answers.clear()
    running.held.clear()
    running.release.clear()
    yield running
    running.release.set()


@pytest.fixture
def delivery(
    raw: RawConnection, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Delivery:
    """A pager with the local log for phones, and a channel `ops` that leads to the service."""
    monkeypatch.setattr(pager, "SWEEP_SECONDS", 0.0)
    keep(tmp_path, service)
    channels = Channels(settings.load({"HMS_HOME": str(tmp_path)}))
    return Delivery(raw, Log(tmp_path / "handset.log"), channels=channels)


def keep(home: Path, service: Service) -> None:
    """Keep the address of the channel `ops`."""
    file = home / directory.FILE
    file.write_text(directory.written({"ops": f"json://127.0.0.1:{service.port}/{SECRET}"}))
    file.chmod(0o600)


def page(engine: sa.Engine, body: str = BODY, to: str = "channel:ops", **more: Any) -> None:
    """Put a page into the outbox."""
    given = {"incident": None, "kind": "page", "reference": "K7", **more}
    with engine.begin() as connection:
        assert outbox.put_page(connection, token=f"{to}:{body}", recipient=to, body=body, **given)


def row(engine: sa.Engine, to: str = "%") -> Any:
    """The newest text as it stands, of those to a recipient."""
    query = sa.text("select * from oms.messages where recipient like :to order by id desc limit 1")
    with engine.connect() as connection:
        return connection.execute(query, {"to": to}).one()


def attempts(engine: sa.Engine) -> list[tuple[Any, ...]]:
    """The attempts of the newest text: sender, outcome, HTTP status."""
    query = (
        "select sender, outcome, http_status from oms.message_attempts"
        " where message_id = (select max(id) from oms.messages) order by number"
    )
    with engine.connect() as connection:
        return [tuple(attempt) for attempt in connection.exec_driver_sql(query)]


def ended(delivery: Delivery, engine: sa.Engine, forward: Forward) -> str:
    """Let the pager take turns, and the time pass, until the newest text has ended; its state."""

    def turned() -> str | None:
        delivery.turn()
        text = row(engine)
        if text.state == "unknown" or (text.state == "pending" and text.handed_over):
            forward(timedelta(seconds=30))
        return text.state if text.finished_at is not None else None

    return str(wait_until(turned, "the end of the page"))


def test_a_page_to_a_channel(
    engine: sa.Engine, delivery: Delivery, service: Service, forward: Forward
) -> None:
    """It goes once, its attempt is on record, and nobody claims that it was read."""
    page(engine)
    assert ended(delivery, engine, forward) == "unconfirmed"
    assert service.texts == [BODY]
    assert attempts(engine) == [("channel ops", "unconfirmed", None)]
    with engine.connect() as connection:
        kept = connection.scalar(sa.text("select string_agg(m::text, '') from oms.messages as m"))
    assert SECRET not in str(kept)


def test_an_answer_that_is_lost(
    engine: sa.Engine, delivery: Delivery, service: Service, forward: Forward
) -> None:
    """Nobody can be asked, so it goes again, labelled, as soon as the throttle lets it."""
    service.answers += ["cut"]
    page(engine)
    assert ended(delivery, engine, forward) == "unconfirmed"
    assert service.texts == [BODY, BODY + LABEL]
    assert [outcome for _, outcome, _ in attempts(engine)] == ["unknown", "unconfirmed"]


def test_answers_that_are_lost_again_and_again(
    engine: sa.Engine, delivery: Delivery, service: Service, forward: Forward
) -> None:
    """Each but the first is labelled, and after a few it has failed: then the next step is called."""
    service.answers += [500] * 10
    page(engine)
    assert ended(delivery, engine, forward) == "failed"
    assert len(attempts(engine)) == reconcile.UNASKED_ATTEMPTS
    assert "HTTP 500" in str(delivery.channels and delivery.channels.remark)


def test_a_definite_no_fails_at_once(
    engine: sa.Engine, delivery: Delivery, service: Service, forward: Forward
) -> None:
    """An address that is no longer valid is no reason to wait; a channel that nobody knows neither."""
    service.answers += [404]
    page(engine)
    assert ended(delivery, engine, forward) == "failed"
    assert attempts(engine) == [("channel ops", "failed", 404)]
    page(engine, to="channel:desk")
    assert ended(delivery, engine, forward) == "failed"
    assert (row(engine).fault, attempts(engine)) == ("there is no channel desk", [])


def test_a_channel_has_the_throttle_of_a_phone(
    engine: sa.Engine, delivery: Delivery, service: Service, forward: Forward
) -> None:
    """What comes within a minute waits, and goes as one text; nobody is asked for a reply."""
    page(engine, "the first")
    ended(delivery, engine, forward)
    with engine.begin() as connection:
        eighth, ninth = connection.scalars(
            sa.text(
                "insert into ops.incidents (rule, state, reference, active_at, last_true_at)"
                " select rule, 'open', reference, oms.now(), oms.now()"
                " from (values ('late', 'K8'), ('redis', 'K9')) as incident (rule, reference) returning id"
            )
        )
    page(engine, "the second", incident=eighth, reference="K8")
    page(engine, "the third", incident=ninth, reference="K9")
    delivery.turn()
    assert service.texts == ["the first"]
    forward(timedelta(minutes=1))
    wait_until(lambda: (delivery.turn(), len(service.texts) > 1)[1], "the two to go together")
    assert service.texts[1:] == ["HMS: 2 incidents: floor #K8, floor #K9."]


def test_a_slow_channel_delays_no_phone(
    engine: sa.Engine, delivery: Delivery, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages to channels have a lane of their own, and wait for none to a phone."""
    monkeypatch.setattr(pager, "CHANNELS", 1)
    service.answers += ["hold"]
    page(engine)
    wait_until(lambda: (delivery.turn(), service.held.is_set())[1], "the page to be at the service")
    page(engine, "another one")
    page(engine, to="+12025550142")
    delivery.turn()
    assert row(engine).state == "delivered"
    service.release.set()


def test_a_channel_is_somebody_on_call(engine: sa.Engine) -> None:
    """It is reached though texts stay on this machine, unless the pager does not have it."""
    document = oncall.validated(
        {
            "recipients": {"team": {"channel": "ops"}},
            "steps": [{"after_minutes": 0, "notify": ["team"]}],
        }
    )
    with engine.connect() as connection:
        now = health.clock(connection)
    assert oncall.on_call(document, now)[0].recipients[0].phone == "channel:ops"
    assert doubts.has_anybody_real(document)
    assert doubts.doubt(document, now, sender_is_local=True, channels=["ops"]) is None
    assert "no channel ops" in str(doubts.doubt(document, now, sender_is_local=False, channels=[]))


class Pagers:
    """`hms ops run` as processes that share a home, with the channel `ops`."""

    def __init__(self, programs: Programs) -> None:
        self.programs = programs

    def start(self, name: str) -> int:
        """Start one and wait until it hands over texts; its process id."""
        process = self.programs.start(name, "-m", "hms_floor", "ops", "run", HMS_LOG_LEVEL="DEBUG")
        wait_until(lambda: "pager: leading" in self.programs.said(name), f"{name} to lead")
        return process.pid


@pytest.fixture
def pagers(programs: Programs, service: Service) -> Pagers:
    """Pagers, none of which runs yet."""
    keep(programs.home, service)
    return Pagers(programs)


def test_killed_before_the_answer(
    engine: sa.Engine, pagers: Pagers, service: Service, forward: Forward
) -> None:
    """Nobody knows whether the page is there, so it goes once more, labelled; no log has the address."""
    first = pagers.start("first")
    service.answers += ["hold"]
    page(engine)
    wait_until(service.held.is_set, "the page to be at the service")
    os.kill(first, signal.SIGKILL)
    pagers.programs.processes[0].wait()
    forward(timedelta(seconds=61))
    pagers.start("second")

    # The watch may have an incident of its own by now, and call by text.
    def settled() -> bool:
        text = row(engine, "channel:ops")
        if text.state == "unknown":
            forward(timedelta(seconds=5))
        return text.finished_at is not None

    wait_until(settled, "the end of the page", 30)
    service.release.set()
    assert service.texts == [BODY, BODY + LABEL]
    assert row(engine, "channel:ops").state == "unconfirmed"
    assert SECRET not in pagers.programs.said("first") + pagers.programs.said("second")
