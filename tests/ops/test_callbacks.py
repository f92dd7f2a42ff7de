"""What the provider calls back: kept, applied in any order and number, believed only when it is signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import psycopg2.extensions
import pytest
import sqlalchemy as sa

from hms_oms.database import health, statements
from hms_oms.messages import delivery as handover
from hms_oms.messages import inbound, outbox
from hms_oms.messages.recipients import CHANNEL
from hms_oms.messages.records import Answer, Dispatch, OutgoingText
from hms_ops.paging import callbacks
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders.twilio import Twilio
from tests.conftest import wait_until
from tests.provider import TOKEN, faults
from tests.provider.driver import Provider
from tests.provider.site import Hook, Site
from tests.provider.webhooks import signature

RawConnection = psycopg2.extensions.connection
PHONE = "+12025550142"
SID = "SM" + "1" * 32


@pytest.fixture
def taken(engine: sa.Engine, raw: RawConnection) -> Dispatch:
    """A page that is just being handed over."""
    with engine.begin() as connection:
        outbox.put_page(
            connection,
            token="one",
            incident=None,
            kind="page",
            reference="K7",
            recipient=PHONE,
            body="HMS #K7",
        )
    (text,) = handover.begin(raw, [OutgoingText(1, 0)], "twilio")
    return text


def call(engine: sa.Engine, status: str, token: str | None = None, **more: str) -> None:
    """The provider calls back about the first text and its first attempt."""
    with engine.begin() as connection:
        form = {"n": "1", "a": "1", "MessageSid": SID, "MessageStatus": status, **more}
        callbacks.status(connection, form, health.clock(connection), token or f"{status}{more}")


def answer(raw: RawConnection, text: Dispatch, **more: Any) -> None:
    """The answer to the POST arrives."""
    given = {"state": "accepted", "outcome": "accepted", "sid": SID, **more}
    handover.answered(raw, [Answer(text.id, text.fence, **given)])


def state(engine: sa.Engine) -> str:
    """The state of the text."""
    with engine.connect() as connection:
        return str(connection.scalar(sa.text("select state from oms.messages where id = 1")))


@pytest.mark.parametrize("order", list(permutations(["answer", "sent", "delivered"])), ids="-".join)
def test_in_any_order_it_is_delivered(
    engine: sa.Engine, raw: RawConnection, taken: Dispatch, order: tuple[str, ...]
) -> None:
    """Early, late or reordered: the status only moves up, and no text is sent for it."""
    for event in order:
        if event == "answer":
            answer(raw, taken)
        else:
            call(engine, event)
    assert state(engine) == "delivered"
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select outcome, finished_at, sid from oms.message_attempts")).all()
    assert [(row.outcome, row.sid) for row in rows] == [("delivered", SID)]


def test_a_callback_finds_what_was_lost(engine: sa.Engine, raw: RawConnection, taken: Dispatch) -> None:
    """An unknown text is known again when its callback names the attempt."""
    answer(raw, taken, state="unknown", outcome="unknown", sid=None)
    call(engine, "sent")
    assert state(engine) == "sent"


def test_delivered_beats_failed_and_is_told(
    engine: sa.Engine, raw: RawConnection, taken: Dispatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of two ends the better one is true, and the contradiction is in the log."""
    answer(raw, taken)
    call(engine, "failed", ErrorCode="30006")
    assert state(engine) == "failed"
    call(engine, "delivered")
    call(engine, "undelivered", ErrorCode="30006")
    assert state(engine) == "delivered"
    assert "was failed and is delivered after all" in caplog.text


def test_a_late_word_of_a_failed_attempt_does_not_stop_the_next(
    engine: sa.Engine, raw: RawConnection, taken: Dispatch
) -> None:
    """After a fault that passes the text waits for its second attempt, whatever the first one still says."""
    answer(raw, taken)
    call(engine, "undelivered", ErrorCode="30003")
    call(engine, "sent")
    assert state(engine) == "pending"
    (again,) = handover.begin(raw, [OutgoingText(1, taken.fence)], "twilio")
    assert again.attempt == 2
    call(engine, "failed", ErrorCode="30006")
    assert state(engine) == "sending"
    call(engine, "delivered")
    assert state(engine) == "delivered"
    answer(raw, again, state="failed", outcome="failed", sid=None)
    assert state(engine) == "delivered"


def test_the_same_call_twice_is_kept_once(engine: sa.Engine, taken: Dispatch) -> None:
    """Known by its token, or where it has none by what it says."""
    for token in ("t", "t"):
        call(engine, "sent", token)
    with engine.begin() as connection:
        for _ in range(2):
            callbacks.status(
                connection, {"MessageSid": SID, "MessageStatus": "sent"}, health.clock(connection)
            )
        count = connection.scalar(sa.text("select count(*) from oms.callbacks"))
        again = inbound.Callback("t", None, None, SID, "sent", None)
        assert inbound.keep(connection, again, health.clock(connection)) is None
    assert count == 2


def test_what_is_unknown_is_kept_and_harms_nothing(engine: sa.Engine, taken: Dispatch) -> None:
    """A word, a text or an attempt that nobody knows changes no text and breaks nothing."""
    call(engine, "on-fire")
    call(engine, "delivered", n="99")
    call(engine, "failed", a="7")
    call(engine, "delivered", n="drop table", a="-1", MessageSid="SM2")
    assert state(engine) == "sending"
    with engine.connect() as connection:
        applied = connection.scalars(sa.text("select applied_at from oms.callbacks")).all()
    assert applied == [None] * 4


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One provider for all tests of this module."""
    with Provider.start(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def provider(process: Provider) -> Provider:
    """The provider, with everything forgotten."""
    process.reset()
    return process


@pytest.mark.parametrize(
    "fault",
    [
        faults.Fault(when="early"),
        faults.Fault(copies=3),
        faults.Fault(callbacks=(("delivered", None), ("sent", None))),
        faults.dropped(accepted=True),
    ],
    ids=["early", "tripled", "reordered", "dropped"],
)
def test_signed_callbacks_bring_a_text_to_its_end(
    engine: sa.Engine, raw: RawConnection, provider: Provider, fault: faults.Fault
) -> None:
    """The provider's own calls, through a proxy, tell how a text arrived; none goes out twice."""
    public = "https://hms.example.org"

    def take(hook: Hook) -> int:
        target = hook.url.partition(hook.url.split("/")[2])[2]
        if not callbacks.valid(TOKEN, public, target, dict(hook.form), hook.signature):
            return 403
        with engine.begin() as connection:
            params = {**hook.form, **dict(parse_qsl(urlsplit(target).query))}
            callbacks.status(connection, params, health.clock(connection), hook.token)
        return 204

    site = Site(take)
    provider.webhooks(forward=site.url)
    provider.fault(fault)
    sender = Twilio(provider.account, provider.token, provider.number, provider.url, public)
    delivery = Delivery(raw, sender)
    with engine.begin() as connection:
        outbox.put_page(
            connection,
            token="one",
            incident=None,
            kind="page",
            reference="K7",
            recipient=PHONE,
            body="HMS #K7",
        )
    wait_until(lambda: (delivery.turn(), state(engine) == "delivered")[1], "the text to be delivered")
    wait_until(lambda: len(provider.calls()) >= 2 * fault.copies, "all calls to be made")
    site.close()
    assert {call["status"] for call in provider.calls()} == {204}
    assert len(provider.handsets()) == 1


def test_an_early_callback_without_our_numbers_waits_for_the_answer(
    engine: sa.Engine, raw: RawConnection, provider: Provider
) -> None:
    """What came under a sid that nobody knew yet is applied as soon as the answer names it."""
    sender = Twilio(provider.account, provider.token, provider.number, provider.url)
    delivery = Delivery(raw, sender)
    with engine.begin() as connection:
        outbox.put_page(
            connection, token="one", incident=None, kind="page", reference="K7", recipient=PHONE, body="#K7"
        )
    provider.fault(faults.held(accepted=True))
    wait_until(lambda: (delivery.turn(), provider.held() == 1)[1], "the answer to be held")
    sid = provider.messages()[0]["sid"]
    with engine.begin() as connection:
        form = {"MessageSid": sid, "MessageStatus": "delivered"}
        callbacks.status(connection, form, health.clock(connection))
    assert state(engine) == "sending"
    provider.release()
    wait_until(lambda: (delivery.turn(), state(engine) == "delivered")[1], "the text to be delivered")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda item: item | {"token": None},
        lambda item: item | {"token": ""},
        lambda item: item | {"public_url": None},
        lambda item: item | {"signature": None},
        lambda item: item | {"signature": ""},
        lambda item: item | {"signature": item["signature"][:-2] + "A="},
        lambda item: item | {"target": item["target"] + "0"},
        lambda item: item | {"params": {**item["params"], "MessageStatus": "failed"}},
        lambda item: item | {"public_url": "http://hms.example.org"},
        lambda item: item | {"signature": "é"},
    ],
)
def test_what_is_not_signed_for_us_is_refused(spoil: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """A missing or wrong token, address, form or signature: no."""
    target, params = "/twilio/status?n=1&a=1", {"MessageSid": SID, "MessageStatus": "sent"}
    good = {
        "token": TOKEN,
        "public_url": "https://hms.example.org",
        "target": target,
        "params": params,
        "signature": signature("https://hms.example.org" + target, params),
    }
    assert callbacks.valid(**good)
    assert not callbacks.valid(**spoil(good))


def test_the_pager_stays_on_its_indexes(engine: sa.Engine) -> None:
    """The statements of the pager read the rows that they need, however long the past is."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into oms.messages (token, kind, recipient, body, state, page)"
            " select n::text, 'applicant', '+12025550143', 'x',"
            " case when n <= 50 then 'pending' else 'delivered' end, n %% 100 = 0"
            " from generate_series(1, 20000) as n"
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze oms.messages")
    hot = {
        "expire": {},
        "ended_leases": {"count": 1000, "lease": 60.0},
        "asked": {"page": True, "count": 4, "lease": 60.0},
        "waiting_pages": {"phones": 8, "channels": 8, "channel": CHANNEL},
        "waiting_texts": {"count": 4},
        "unsent": {},
    }
    for name, parameters in hot.items():
        with engine.connect() as connection:
            value = connection.exec_driver_sql(
                "explain (analyze, format json) " + statements.text(name), parameters
            ).scalar_one()
            connection.rollback()
        stack, read = [value[0]["Plan"]], 0
        while stack:
            node = stack.pop()
            stack += node.get("Plans", [])
            assert not (node["Node Type"] == "Seq Scan" and node["Relation Name"] == "messages"), name
            read += node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        assert read < 500, name
