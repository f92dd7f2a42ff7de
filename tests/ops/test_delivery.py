"""The delivery of texts: every transition, against a provider that keeps the truth of the handsets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2.extensions
import pytest
import sqlalchemy as sa

from hms_oms.database import connections as ledger_connections
from hms_oms.database import health
from hms_oms.messages import delivery as handover
from hms_oms.messages import outbox
from hms_oms.messages.records import Answer, Dispatch, OutgoingText
from hms_ops.paging import pager, reconcile
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders import Outcome, Result, Sighting
from hms_ops.paging.senders.log import Log
from hms_ops.paging.senders.twilio import Twilio
from tests.conftest import wait_until
from tests.provider import faults
from tests.provider.driver import Provider

PHONE, OTHER = "+12025550142", "+12025550143"
Forward = Callable[[timedelta], None]
RawConnection = psycopg2.extensions.connection


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One provider for all tests of this module."""
    with Provider.start(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def provider(process: Provider, monkeypatch: pytest.MonkeyPatch) -> Provider:
    """The provider, with everything forgotten; what is stuck is looked for in every turn."""
    monkeypatch.setattr(pager, "SWEEP_SECONDS", 0.0)
    process.reset()
    process.webhooks()
    return process


@pytest.fixture
def delivery(raw: RawConnection, provider: Provider) -> Delivery:
    """A pager that speaks to the provider."""
    return Delivery(raw, twilio(provider))


def twilio(provider: Provider, public_url: str | None = None) -> Twilio:
    """The sender of the product, pointed at the provider."""
    return Twilio(provider.account, provider.token, provider.number, provider.url, public_url, 1000.0)


def page(engine: sa.Engine, body: str = "HMS #K7 late. Reply ACK K7.", to: str = PHONE, **more: Any) -> int:
    """Put a page into the outbox and return its id; a `token` names it."""
    token = more.pop("token", f"{to}:{body}")
    given = {"incident": None, "kind": "page", "reference": "K7", **more}
    with engine.begin() as connection:
        assert outbox.put_page(connection, token=token, recipient=to, body=body, **given)
        return int(
            connection.execute(
                sa.text("select id from oms.messages where token = :t"), {"t": token}
            ).scalar_one()
        )


def applicants(engine: sa.Engine, count: int, phone: str = OTHER) -> None:
    """Put texts to applicants into the outbox."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.messages (token, kind, recipient, body)"
                " select 't' || n, 'applicant', :phone, 'Application ' || n from generate_series(1, :n) as n"
            ),
            {"n": count, "phone": phone},
        )


def incident(engine: sa.Engine, reference: str, queue: str | None = None) -> int:
    """An open incident."""
    with engine.begin() as connection:
        if queue is not None:
            connection.execute(
                sa.text("insert into oms.queues (name) values (:q) on conflict do nothing"), {"q": queue}
            )
        return int(
            connection.execute(
                sa.text(
                    "insert into ops.incidents (rule, queue, state, reference, active_at, last_true_at)"
                    " values ('late', :queue, 'open', :reference, oms.now(), oms.now()) returning id"
                ),
                {"queue": queue, "reference": reference},
            ).scalar_one()
        )


def row(engine: sa.Engine, message: int) -> Any:
    """A text as it stands."""
    with engine.connect() as connection:
        return connection.execute(sa.text("select * from oms.messages where id = :id"), {"id": message}).one()


def waits(engine: sa.Engine, name: str) -> bool:
    """Whether a connection of this name waits for a lock."""
    query = (
        "select count(*) from pg_stat_activity where application_name = :name"
        " and wait_event_type = 'Lock' and datname = current_database()"
    )
    with engine.connect() as connection:
        return bool(connection.scalar(sa.text(query), {"name": name}))


def states(engine: sa.Engine) -> list[str]:
    """The states of all texts."""
    with engine.connect() as connection:
        return list(connection.scalars(sa.text("select state from oms.messages order by id")))


def attempts_of(engine: sa.Engine, message: int) -> list[Any]:
    """The attempts of a text."""
    with engine.connect() as connection:
        query = "select * from oms.message_attempts where message_id = :id order by number"
        return list(connection.execute(sa.text(query), {"id": message}))


def drive(delivery: Delivery, look: Callable[[], Any], what: str) -> Any:
    """Let the pager take turns until the answer is true."""

    def turned() -> Any:
        delivery.turn()
        return look()

    return wait_until(turned, what)


def settled(delivery: Delivery) -> bool:
    """Whether nothing is under way."""
    return not delivery.in_flight.any


def reach(delivery: Delivery, engine: sa.Engine, message: int, state: str) -> Any:
    """Let the pager take turns until the text is in this state."""
    drive(delivery, lambda: row(engine, message).state == state, f"text {message} is {state}")
    return row(engine, message)


def quiet(delivery: Delivery, turns: int = 3) -> None:
    """A few turns in which everything lands that is due."""
    for _ in range(turns):
        delivery.turn()
        wait_until(lambda: (delivery.in_flight.land(), settled(delivery))[1], "all requests to land")


def bodies(provider: Provider, to: str = PHONE) -> list[str]:
    """The texts on a handset."""
    return [text.body for text in provider.handsets(to)]


def test_a_page_is_taken_and_its_arrival_asked_for(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """201 makes a text accepted, with its sid on the attempt; after a minute a GET tells that it arrived."""
    message = page(engine)
    accepted = reach(delivery, engine, message, "accepted")
    (attempt,) = attempts_of(engine, message)
    assert (attempt.outcome, attempt.http_status, attempt.sid) == ("accepted", 201, accepted.sid)
    quiet(delivery)
    assert provider.requests("GET") == []
    forward(timedelta(seconds=61))
    assert reach(delivery, engine, message, "delivered").finished_at is not None
    assert bodies(provider) == ["HMS #K7 late. Reply ACK K7."]


def test_the_same_token_is_one_text_and_calls_once(engine: sa.Engine, raw: RawConnection) -> None:
    """A token that exists puts nothing, and only a new page notifies."""
    with raw.cursor() as cursor:
        cursor.execute(f"listen {outbox.CHANNEL}")
    page(engine, token="one")
    with engine.begin() as connection:
        again = outbox.put_page(
            connection, token="one", incident=None, kind="page", reference=None, recipient=PHONE, body="x"
        )
    page(engine, token="two")
    # They come in the order of the commits.
    wait_until(lambda: (raw.poll(), len(raw.notifies) >= 2)[1], "both new pages to be called")
    assert (again, len(raw.notifies)) == (False, 2)


@pytest.mark.parametrize(
    "fault",
    [
        faults.dropped(),
        faults.reset(),
        faults.broken(),
        faults.bad_gateway(accepted=True),
        faults.unavailable(retry_after=1, accepted=True),
        faults.empty(),
        faults.garbled(),
        faults.refused(20408, 408, accepted=True),
    ],
    ids=lambda fault: fault.answer + str(fault.status) + str(fault.body or ""),
)
def test_a_lost_answer_is_found_in_the_list(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward, fault: faults.Fault
) -> None:
    """Whatever may have been taken is unknown, found by the list of the phone, and not sent again."""
    provider.fault(fault)
    message = page(engine)
    reach(delivery, engine, message, "unknown")
    assert attempts_of(engine, message)[0].outcome == "unknown"
    forward(timedelta(seconds=6))
    result = reach(delivery, engine, message, "delivered")
    assert result.sid is not None
    assert not result.resend
    forward(timedelta(minutes=5))
    quiet(delivery)
    assert bodies(provider) == ["HMS #K7 late. Reply ACK K7."]


def test_what_never_arrived_is_sent_once_more_with_a_label(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """Two looks and half a minute without finding it: one resend, marked, as a second attempt."""
    provider.fault(faults.dropped(accepted=False))
    message = page(engine)
    reach(delivery, engine, message, "unknown")
    for _ in range(2):
        forward(timedelta(seconds=16))
        quiet(delivery)
        assert bodies(provider) == []
    forward(timedelta(seconds=31))
    reach(delivery, engine, message, "accepted")
    assert bodies(provider) == ["HMS #K7 late. Reply ACK K7. (resend)"]
    assert [attempt.outcome for attempt in attempts_of(engine, message)] == ["unknown", "accepted"]
    assert row(engine, message).resend


def test_an_answer_lost_twice_is_given_up(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """There is one resend; when its answer is lost, too, the text fails, so that someone else is called."""
    provider.fault(faults.dropped(accepted=False, times=2), faults.list_down())
    message = page(engine)
    reach(delivery, engine, message, "unknown")
    for _ in range(30):
        forward(timedelta(seconds=15))
        quiet(delivery, turns=1)
        if row(engine, message).state == "failed":
            break
    failed = row(engine, message)
    assert (failed.state, failed.fault, failed.resend) == (
        "failed",
        "the answer was lost, and so was that to the resend",
        True,
    )
    assert len(provider.requests("POST")) == 2
    # It turns out to have arrived: the truth beats the verdict.
    with engine.begin() as connection:
        handover.report(connection, message=message, attempt=2, status="delivered", sid="SM1")
    assert row(engine, message).state == "delivered"


def test_an_outage_of_the_provider_loses_no_page(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """503 for minutes, then a list that says that nothing is there: the page goes, marked, and once."""
    provider.fault(faults.unavailable(times=4), faults.list_down(times=12))
    message = page(engine)
    reach(delivery, engine, message, "unknown")
    for _ in range(40):
        forward(timedelta(seconds=31))
        quiet(delivery, turns=2)
        if row(engine, message).state == "delivered":
            break
    assert bodies(provider) == ["HMS #K7 late. Reply ACK K7. (resend)"]
    assert row(engine, message).attempts == 5


def test_with_the_list_down_the_second_text_is_labelled(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """Lost answer and no list: never silently none, at most two, the second marked."""
    provider.fault(faults.dropped(accepted=True), faults.list_down())
    message = page(engine)
    reach(delivery, engine, message, "unknown")
    for _ in range(8):
        forward(timedelta(seconds=15))
        quiet(delivery, turns=2)
    assert row(engine, message).state in ("accepted", "sent", "delivered")
    assert bodies(provider) == ["HMS #K7 late. Reply ACK K7.", "HMS #K7 late. Reply ACK K7. (resend)"]


def test_an_answer_makes_room_for_the_next_question(
    engine: sa.Engine,
    raw: RawConnection,
    provider: Provider,
    forward: Forward,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where nobody calls back, thousands of texts are asked for: not just a few at each sweep."""
    applicants(engine, 12)
    drive(
        Delivery(raw, twilio(provider)), lambda: set(states(engine)) == {"accepted"}, "the texts to be sent"
    )
    forward(timedelta(seconds=61))
    monkeypatch.setattr(pager, "SWEEP_SECONDS", float("inf"))
    drive(Delivery(raw, twilio(provider)), lambda: set(states(engine)) == {"delivered"}, "their arrivals")


def test_a_pager_without_open_texts_asks_little(
    engine: sa.Engine, raw: RawConnection, delivery: Delivery
) -> None:
    """A turn is one look for an open text, and a page is sent in the turn that finds it."""
    before = raw.statements
    for _ in range(10):
        assert delivery.turn() == pager.IDLE_SECONDS
    assert raw.statements - before == 10
    page(engine)
    drive(delivery, lambda: set(states(engine)) <= {"accepted", "sent", "delivered"}, "the page to be sent")


def test_too_many_requests_slow_the_whole_sender(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """429 is surely not sent: its Retry-After holds back every phone, and the attempt keeps its number."""
    provider.fault(faults.too_many(retry_after=2))
    first = page(engine)
    drive(delivery, lambda: row(engine, first).fault, "the 429 is recorded")
    second = page(engine, to=OTHER)
    began = time.monotonic()
    quiet(delivery)
    assert (row(engine, first).state, row(engine, second).state) == ("pending", "pending")
    assert attempts_of(engine, second) == []
    reach(delivery, engine, first, "accepted")
    reach(delivery, engine, second, "accepted")
    assert time.monotonic() - began > 1.5
    assert [attempt.number for attempt in attempts_of(engine, first)] == [1]


def test_a_provider_that_is_not_there_is_tried_again(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """A refused connection was surely not sent: the same attempt is made until it gets through."""
    provider.close()
    message = page(engine)
    drive(delivery, lambda: row(engine, message).tries >= 2 and settled(delivery), "two tries")
    assert [attempt.outcome for attempt in attempts_of(engine, message)] == ["not sent"]
    provider.open()
    reach(delivery, engine, message, "accepted")
    assert len(attempts_of(engine, message)) == 1
    assert bodies(provider) == ["HMS #K7 late. Reply ACK K7."]


def test_bad_credentials_stop_the_sender_and_lose_nothing(
    engine: sa.Engine, raw: RawConnection, provider: Provider
) -> None:
    """401 keeps the text, is told by the beat, and leaves the provider alone for a while."""
    said: list[Any] = []
    delivery = Delivery(raw, twilio(provider), said.append)
    delivery._beaten = float("-inf")
    provider.fault(faults.unauthorized(times=None))
    message = page(engine)
    drive(delivery, lambda: delivery.breaker.fault, "the circuit breaker is open")
    delivery._beaten = float("-inf")
    quiet(delivery)
    says = {"sender": "twilio", "fault": "HTTP 401, code 20003", "remark": None, "channels": []}
    assert said[-1] == says
    assert (row(engine, message).state, len(provider.requests("POST"))) == ("pending", 1)
    provider.clear()
    delivery.breaker._pages_from = time.monotonic()
    reach(delivery, engine, message, "accepted")
    assert delivery.breaker.fault is None


@pytest.mark.parametrize("code", [21211, 21408, 21614, 29999])
def test_a_definite_no_is_final(engine: sa.Engine, delivery: Delivery, provider: Provider, code: int) -> None:
    """A permanent code, known or not, fails the text at once with its reason."""
    provider.fault(faults.refused(code))
    message = page(engine)
    failed = reach(delivery, engine, message, "failed")
    assert failed.fault == f"HTTP 400, code {code}"
    assert attempts_of(engine, message)[0].code == str(code)


def test_a_phone_that_said_stop_is_left_alone(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """21610 is remembered: the next text to that phone fails before any attempt."""
    provider.fault(faults.refused(21610))
    reach(delivery, engine, page(engine), "failed")
    second = page(engine, "HMS #K8 late.", reference="K8")
    assert reach(delivery, engine, second, "failed").fault == "the recipient answered STOP"
    assert attempts_of(engine, second) == []


def test_a_number_that_cannot_be_dialled_fails_before_any_request(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """What is no phone number is never handed over, and says why."""
    message = page(engine, to="call me maybe")
    assert reach(delivery, engine, message, "failed").fault == "not a number that can be dialled"
    assert provider.requests("POST") == []


def test_a_full_queue_is_waited_for(engine: sa.Engine, delivery: Delivery, provider: Provider) -> None:
    """21611 is too many, not a no: the text goes later."""
    provider.fault(faults.refused(21611))
    message = page(engine)
    reach(delivery, engine, message, "accepted")
    assert len(provider.requests("POST")) == 2


def test_a_fault_of_the_carrier_that_passes_is_tried_twice_more(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """30008 and its like: two new attempts while the page is wanted, then it stays undelivered."""
    provider.fault(faults.failing(30008, times=None))
    message = page(engine)
    for _ in range(12):
        forward(timedelta(seconds=61))
        quiet(delivery)
    assert row(engine, message).state == "undelivered"
    assert [attempt.code for attempt in attempts_of(engine, message)] == ["30008"] * 3
    assert len(provider.requests("POST")) == 3


def test_what_nobody_wants_any_more_is_not_sent_anew(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """Once the incident is acknowledged, a failure that passes and a lost answer lead to no new attempt."""
    number = incident(engine, "K7")
    provider.fault(faults.failing(30008))
    failing = page(engine, incident=number)
    reach(delivery, engine, failing, "accepted")
    provider.fault(faults.dropped(accepted=False))
    lost = page(engine, to=OTHER, incident=number)
    reach(delivery, engine, lost, "unknown")
    with engine.begin() as connection:
        assert outbox.cancel_pages(connection, number) == 0
    for _ in range(5):
        forward(timedelta(seconds=61))
        quiet(delivery)
    assert (row(engine, failing).state, row(engine, lost).state) == ("undelivered", "unconfirmed")
    assert len(provider.requests("POST")) == 2


def test_pages_not_handed_over_are_cancelled(engine: sa.Engine, delivery: Delivery) -> None:
    """An acknowledgement takes back what waits, and only of that incident."""
    first, second = incident(engine, "K7"), incident(engine, "K8", "shop")
    mine = page(engine, incident=first, not_before=None)
    other = page(engine, "HMS #K8 late.", to=OTHER, incident=second, reference="K8")
    with engine.begin() as connection:
        assert outbox.cancel_pages(connection, first) == 1
    reach(delivery, engine, other, "accepted")
    assert (row(engine, mine).state, attempts_of(engine, mine)) == ("cancelled", [])


def test_what_could_not_go_in_time_expires(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """Past its time a page is not sent any more: it counts as missed."""
    with engine.connect() as connection:
        soon = health.clock(connection) + timedelta(seconds=30)
    message = page(engine, not_before=soon, expires_at=soon)
    quiet(delivery)
    assert row(engine, message).state == "pending"
    forward(timedelta(seconds=31))
    reach(delivery, engine, message, "expired")
    assert provider.requests("POST") == []


def test_a_carrier_that_never_reports_causes_no_second_text(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """Sent, and never said to have arrived: past the horizon it is unconfirmed, and was sent once."""
    provider.fault(faults.Fault(life=(("sent", None),)))
    message = page(engine)
    reach(delivery, engine, message, "accepted")
    forward(timedelta(seconds=61))
    reach(delivery, engine, message, "sent")
    for _ in range(6):
        forward(timedelta(minutes=3))
        quiet(delivery)
    assert row(engine, message).state == "unconfirmed"
    assert len(provider.requests("POST")) == 1


def test_a_lease_without_an_attempt_is_free_again_and_one_with_an_attempt_is_unknown(
    engine: sa.Engine, raw: RawConnection, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """What a killed leader left behind is judged by whether its attempt was written down."""
    begun, unbegun = page(engine), page(engine, to=OTHER)
    with engine.connect() as connection:
        fences = dict(connection.execute(sa.text("select id, fence from oms.messages")).all())
    taken = handover.begin(raw, [OutgoingText(item, fences[item]) for item in (begun, unbegun)], "twilio")
    assert [text.id for text in taken] == [begun, unbegun]
    with engine.begin() as connection:
        connection.execute(
            sa.text("delete from oms.message_attempts where message_id = :id"), {"id": unbegun}
        )
    quiet(delivery)
    assert states(engine) == ["sending", "sending"]
    forward(timedelta(seconds=61))
    reach(delivery, engine, unbegun, "accepted")
    assert row(engine, begun).state == "unknown"
    for _ in range(3):
        forward(timedelta(seconds=31))
        quiet(delivery)
    assert bodies(provider) == ["HMS #K7 late. Reply ACK K7. (resend)"]
    assert bodies(provider, OTHER) == ["HMS #K7 late. Reply ACK K7."]


class Asleep:
    """A sender of a leader that is paused just as it hands over: it answers when it is let."""

    name, local, repeatable, at_once, per_second = "twilio", False, False, 1, None
    remark = None

    def __init__(self) -> None:
        self.entered, self.awake = threading.Event(), threading.Event()

    def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
        self.entered.set()
        self.awake.wait(20)
        return [Outcome(Result.REFUSED, fault="woke up late") for _ in texts]

    def look_up(self, text: Dispatch) -> list[Sighting]:
        return []


def test_a_leader_that_wakes_up_after_its_lease_changes_nothing(
    database: str, engine: sa.Engine, delivery: Delivery, forward: Forward
) -> None:
    """The fence of the one who took over stands: the late answer meets no row, and no attempt."""
    asleep = Asleep()
    sleeper = Delivery(ledger_connections.connect(database, "sleeper"), asleep)
    message = page(engine)
    sleeper.turn()
    assert asleep.entered.wait(5)
    forward(timedelta(seconds=61))
    taken_over = reach(delivery, engine, message, "unknown")
    asleep.awake.set()
    wait_until(lambda: (sleeper.in_flight.land(), settled(sleeper))[1], "the sleeper to land")
    sleeper.connection.close()
    late = row(engine, message)
    assert (late.state, late.fence, late.fault) == ("unknown", taken_over.fence, taken_over.fault)
    assert attempts_of(engine, message)[0].outcome == "unknown"


def test_a_text_is_not_written_on_a_lease_that_has_run_out(
    engine: sa.Engine, raw: RawConnection, provider: Provider
) -> None:
    """Just before the socket is written the clock is asked: too late, and the provider hears nothing."""
    message = page(engine)
    (taken,) = handover.begin(raw, [OutgoingText(message, 0)], "twilio")
    late = Dispatch(
        **{name: getattr(taken, name) for name in Dispatch.__slots__ if name != "write_by"},
        write_by=time.monotonic() - 0.001,
    )
    (outcome,) = twilio(provider).send([late])
    assert outcome.result is Result.NOT_SENT
    assert provider.requests("POST") == []


@pytest.mark.parametrize("kind", ["page", "applicant"])
def test_two_senders_race_for_a_text_and_one_gets_it(
    database: str, engine: sa.Engine, raw: RawConnection, kind: str
) -> None:
    """While one transaction has the row, the other waits for the lock, and then finds another fence."""
    if kind == "page":
        message = page(engine)
    else:
        with raw:
            outbox.put(raw, token="job-1.1.1", job=None, kind=kind, recipient="+12025550142", body="Granted.")
        [waiting] = handover.waiting_texts(raw, 1)
        message = waiting.id
    first = ledger_connections.connect(database, "first", autocommit=False)
    taken = handover.begin(first, [OutgoingText(message, 0)], "twilio")
    lost: list[Any] = []
    second = threading.Thread(
        target=lambda: lost.append(handover.begin(raw, [OutgoingText(message, 0)], "twilio"))
    )
    second.start()
    pid = raw.get_backend_pid()

    def waits() -> bool:
        with engine.connect() as connection:
            query = sa.text("select cardinality(pg_blocking_pids(:pid)) > 0")
            return bool(connection.scalar(query, {"pid": pid}))

    wait_until(waits, "the second to wait for the lock of the first")
    first.commit()
    second.join(5)
    first.close()
    assert ([text.id for text in taken], lost) == ([message], [[]])
    assert len(attempts_of(engine, message)) == 1


def test_what_waits_for_one_phone_goes_as_one_text(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """Ten queues at once are one text that counts them; the others point to the one that carries them."""
    numbers = [incident(engine, f"K{n}", f"queue-{n}") for n in range(10)]
    pages = [
        page(engine, f"HMS #K{n} late.", incident=number, reference=f"K{n}")
        for n, number in enumerate(numbers)
    ]
    reach(delivery, engine, pages[0], "accepted")
    assert states(engine) == ["accepted", *["merged"] * 9]
    (text,) = bodies(provider)
    assert re.search(r"10 incidents: .*queue-0", text)
    with engine.connect() as connection:
        (output,) = outbox.texts_of(connection, incident=numbers[9], limit=5)
    assert (output.state, output.fate, output.merged_into) == ("merged", "accepted", pages[0])


def test_a_group_that_was_not_sent_comes_apart_again(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """After 429 nobody is carried: each stands for itself, one is cancelled, and the rest go together."""
    first, second, third = (incident(engine, f"K{n}", f"queue-{n}") for n in range(3))
    provider.fault(faults.too_many(retry_after=1))
    pages = [
        page(engine, f"HMS #K{n} late.", incident=number, reference=f"K{n}")
        for n, number in enumerate((first, second, third))
    ]
    drive(delivery, lambda: row(engine, pages[0]).fault, "the 429 is recorded")
    assert states(engine) == ["pending", "pending", "pending"]
    with engine.begin() as connection:
        outbox.cancel_pages(connection, first)
    drive(delivery, lambda: "accepted" in states(engine), "the rest to go")
    assert states(engine) == ["cancelled", "accepted", "merged"]
    assert re.match(r"HMS: 2 incidents", bodies(provider)[0])


def test_a_group_whose_answer_was_lost_stays_together(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """The resend says the same words, even when the incident that carries the others is acknowledged."""
    first, second = incident(engine, "K0", "a"), incident(engine, "K1", "b")
    provider.fault(faults.dropped(accepted=False))
    pages = [
        page(engine, f"HMS #K{n} late.", incident=number, reference=f"K{n}")
        for n, number in enumerate((first, second))
    ]
    reach(delivery, engine, pages[0], "unknown")
    with engine.begin() as connection:
        outbox.cancel_pages(connection, first)
    for _ in range(4):
        forward(timedelta(seconds=31))
        quiet(delivery)
    (text,) = bodies(provider)
    assert text.startswith("HMS: 2 incidents")
    assert text.endswith("(resend)")


def test_the_throttle_holds_back_and_lets_go(
    engine: sa.Engine, delivery: Delivery, provider: Provider, forward: Forward
) -> None:
    """The second page to a phone waits out the minute, does not count as stuck meanwhile, and then goes."""
    first = page(engine)
    reach(delivery, engine, first, "accepted")
    second = page(engine, "HMS #K8 late.", reference="K8")
    quiet(delivery)
    held = row(engine, second)
    assert held.state == "pending"
    assert held.due_at > held.not_before
    with engine.connect() as connection:
        assert health.unsent_texts(connection) == (0, None)
    forward(timedelta(seconds=61))
    reach(delivery, engine, second, "accepted")
    assert len(bodies(provider)) == 2


@pytest.mark.parametrize("answered", [False, True], ids=["held back", "not sent"])
def test_pages_are_locked_in_one_order(
    database: str, engine: sa.Engine, raw: RawConnection, answered: bool
) -> None:
    """Anyone who takes pages back and the pager that puts them off wait for each other, never in a circle."""
    ids = [page(engine, f"HMS #K{number} late.", reference=f"K{number}") for number in (7, 8)]
    contender = ledger_connections.connect(database, "contender")
    if answered:
        taken = handover.begin(
            contender, [OutgoingText(ids[1], 0, [(ids[0], 0)], "HMS: 2 incidents")], "twilio"
        )
        lost = [Answer(text.id, text.fence, "pending", "not sent") for text in taken]
    later = datetime.now(UTC) + timedelta(hours=1)

    def put_off() -> None:
        if answered:
            assert handover.answered(contender, lost) == {ids[1]: "pending"}
        else:
            handover.hold(contender, {ids[1]: later, ids[0]: later})

    with engine.begin() as connection:
        lock = sa.text("select id from oms.messages where id = :id for update")
        connection.execute(lock, {"id": ids[0]})
        pager_ = threading.Thread(target=put_off, daemon=True)
        pager_.start()
        wait_until(lambda: waits(engine, "contender"), "the pager to wait for a lock")
        connection.execute(lock, {"id": ids[1]})
    pager_.join(20)
    assert states(engine) == ["pending", "pending"]
    contender.close()


def test_a_page_does_not_wait_behind_texts_to_applicants(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """While the provider sits on every text to an applicant, a page gets through at once."""
    applicants(engine, 20)
    provider.fault(faults.held(accepted=False, to=OTHER, times=None))
    drive(delivery, lambda: provider.held() == pager.TEXTS, "the lane of the applicants to be full")
    message = page(engine)
    reach(delivery, engine, message, "accepted")
    provider.clear()
    provider.release()
    drive(delivery, lambda: states(engine).count("accepted") == 21, "the rest to go")
    assert len(provider.handsets()) == 21


def test_a_slow_phone_does_not_hold_up_another(
    engine: sa.Engine, delivery: Delivery, provider: Provider
) -> None:
    """A page that the provider sits on leaves room for the one to the next phone."""
    provider.fault(faults.held(accepted=True, to=PHONE))
    slow = page(engine)
    drive(delivery, lambda: provider.held() == 1, "the first to be held")
    reach(delivery, engine, page(engine, to=OTHER), "accepted")
    assert row(engine, slow).state == "sending"
    provider.release()
    reach(delivery, engine, slow, "accepted")


def test_the_local_log_takes_a_morning_and_its_torn_end(
    engine: sa.Engine, raw: RawConnection, tmp_path: Path, forward: Forward
) -> None:
    """Texts go to the log in batches; a sender killed before it recorded them writes none of them twice."""
    log = Log(tmp_path / "handset.log")
    delivery = Delivery(raw, log)
    applicants(engine, 450)
    first = handover.waiting_texts(raw, 10)
    taken = handover.begin(raw, [OutgoingText(text.id, text.fence) for text in first], "log")
    log.send(taken)
    drive(delivery, lambda: states(engine).count("delivered") == 440, "all but those of the killed one")
    forward(timedelta(seconds=61))
    drive(delivery, lambda: set(states(engine)) == {"delivered"}, "the killed one's, too")
    lines = (tmp_path / "handset.log").read_text().splitlines()
    assert (len(lines), len(set(lines))) == (450, 450)
    with engine.connect() as connection:
        attempts = connection.scalar(sa.text("select count(*) from oms.message_attempts"))
    assert attempts == 450


def test_a_text_that_is_asked_for_by_its_number_is_ours_whatever_the_clocks_say() -> None:
    """The provider's clock may be hours behind; what carries our sid is not another's."""
    now = datetime(2026, 5, 4, 12, tzinfo=UTC)
    old = Sighting("SM1", "delivered", None, now - timedelta(hours=3))
    assert reconcile.seen([old], [], now, "SM1") is old
    assert reconcile.seen([old], [], now, None) is None
