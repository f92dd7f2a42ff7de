"""The database's clock is set back: no text, event, retry or incident waits until it is there again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_act.recovery import Recovery
from hms_oms.broker import waiting_tickets
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from hms_oms.jobs.tickets import Ticket
from hms_oms.messages import delivery, outbox
from hms_oms.messages.records import Answer, OutgoingText
from hms_oms.recipes.recipes import Recipe
from hms_ops.incidents import actions, lifecycle, set_back, thresholds
from hms_ops.metrics.measure import Measure
from hms_ops.oncall import oncall
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders.log import Log
from hms_ops.watch import Watch
from tests.ops.test_incidents import ALL, clock, late
from tests.support.timelines import ON_CALL, PHONES

Forward = Callable[[timedelta], None]
HOUR = timedelta(hours=1)
PHONE = "+12025550142"


def put(raw: RawConnection, token: str) -> OutgoingText:
    """A text to an applicant that has just been put into the outbox."""
    with raw:
        outbox.put(raw, token=token, job=None, kind="applicant", recipient=PHONE, body="Granted.")
    waiting = delivery.waiting_texts(raw, 10)[-1]
    return OutgoingText(waiting.id, waiting.fence)


def text_in(raw: RawConnection, state: str) -> int:
    """A text in this state, as it becomes in the moment."""
    text = put(raw, state)
    if state != "waiting":
        [dispatch] = delivery.begin(raw, [text], "provider")
        ended = {"pending": ("not sent", 30.0), "unknown": ("unknown", 5.0), "accepted": ("accepted", 60.0)}
        if state in ended:
            outcome, delay = ended[state]
            answer = Answer(dispatch.id, dispatch.fence, state, outcome, f"SM{text.id}", delay=delay)
            delivery.answered(raw, [answer])
    return text.id


def times(engine: sa.Engine, message: int) -> dict[str, float]:
    """By how many seconds each time of a text is ahead of the clock."""
    query = (
        "select message.due_at, message.since, message.not_before, message.lease_until, attempt.started_at,"
        " attempt.finished_at, oms.now() as now from oms.messages as message"
        " left join oms.message_attempts as attempt on attempt.message_id = message.id where message.id = :id"
    )
    with engine.connect() as connection:
        row = connection.execute(sa.text(query), {"id": message}).mappings().one()
    return {name: (at - row["now"]).total_seconds() for name, at in row.items() if at is not None}


@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize(
    ("state", "most"),
    [("waiting", 0.0), ("pending", 30.0), ("sending", 60.0), ("unknown", 5.0), ("accepted", 60.0)],
)
def test_a_text_waits_no_longer_than_it_was_to(
    engine: sa.Engine, raw: RawConnection, forward: Forward, state: str, most: float, observed: bool
) -> None:
    """In each state, whether the jump was seen or nobody looked; and it is not younger than new."""
    text = text_in(raw, state)
    forward(-HOUR)
    assert delivery.follow_clock(raw, 3600.0 if observed else 0.0) == 1
    ahead = times(engine, text)
    waits = ahead.pop("lease_until") if state == "sending" else ahead.pop("due_at")
    assert most - 5.0 < waits <= most
    assert {name: seconds for name, seconds in ahead.items() if seconds > 0 and name != "due_at"} == {}


def test_a_wait_that_began_before_the_clock_was_ahead_ends_with_what_it_was_set_by(
    engine: sa.Engine, raw: RawConnection, forward: Forward
) -> None:
    """A text is asked for again and again, and its state is older than the time of the next look."""
    text = text_in(raw, "unknown")
    forward(HOUR)
    [asked] = delivery.to_ask(raw, page=False, count=1)
    delivery.settle(raw, asked, "unknown", polls=1, delay=15.0)
    forward(-HOUR)
    assert delivery.follow_clock(raw, 3600.0) == 1
    assert times(engine, text)["due_at"] <= 15.0


def test_a_clock_that_is_right_moves_no_text(engine: sa.Engine, raw: RawConnection) -> None:
    """A first look leaves everything as it is."""
    for state in ("waiting", "pending", "sending", "unknown", "accepted"):
        text_in(raw, state)
    query = sa.text(
        "select m.*, a.* from oms.messages m left join oms.message_attempts a on a.message_id = m.id"
    )
    with engine.connect() as connection:
        before = connection.execute(query).all()
        assert delivery.follow_clock(raw, 0.0) == 0
        assert connection.execute(query).all() == before


def test_a_page_for_a_time_of_the_day_waits_for_it(
    engine: sa.Engine, raw: RawConnection, forward: Forward
) -> None:
    """It was not put to go at once: it goes when the clock says so."""
    with engine.begin() as connection:
        at = clock(connection) + timedelta(hours=2)
        outbox.put_page(
            connection,
            token="later",
            incident=None,
            kind="page",
            reference=None,
            recipient=PHONE,
            body="Good morning.",
            not_before=at,
        )
    forward(-HOUR)
    delivery.follow_clock(raw, 3600.0)
    with engine.connect() as connection:
        row = connection.execute(sa.text("select due_at, not_before from oms.messages")).one()
    assert tuple(row) == (at, at)


@pytest.mark.parametrize("led", [True, False])
def test_the_pager_follows_the_clock(
    engine: sa.Engine, raw: RawConnection, forward: Forward, tmp_path: Path, led: bool
) -> None:
    """One that has seen the clock before it was set back, and one that has just begun."""
    pager = Delivery(raw, Log(tmp_path / "texts.jsonl"))
    text_in(raw, "accepted")
    forward(HOUR)
    if led:
        pager.turn()
    text = put(raw, "ahead")
    forward(-HOUR)
    pager._swept = float("-inf")
    pager.turn()
    with engine.connect() as connection:
        state = connection.scalar(sa.text("select state from oms.messages where id = :id"), {"id": text.id})
    assert state == "delivered"


def test_a_pause_before_a_retry_follows_and_a_time_that_was_named_stays(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, forward: Forward
) -> None:
    """Recovery moves the one with the clock; the other is a time of the day."""
    with engine.begin() as connection:
        later = clock(connection) + timedelta(hours=3)
        retrying, later_on = (
            accept.accept_many(connection, shop, [{"number": number}], requested_by="x", **options).jobs[0]
            for number, options in ((1, {}), (2, {"ready_at": later}))
        )
    ledger.take(raw, "shop", 1)
    ticket = Ticket(retrying, 1, "pick")
    assert ledger.claim(raw, [(ticket, 60.0)], "w")
    swept = Recovery(raw, waiting_tickets.client(broker))
    forward(HOUR)
    swept.sweep()
    ledger.fail(raw, ticket, {"type": "Busy", "message": "busy"}, retry_after=30.0, worker="w")
    forward(-HOUR)
    swept.sweep()
    with engine.connect() as connection:
        query = sa.text("select ready_at, oms.now() as now from oms.jobs where id = :id")
        retried, named = (connection.execute(query, {"id": job}).one() for job in (retrying, later_on))
    assert 0 < (retried.ready_at - retried.now).total_seconds() <= 31
    assert named.ready_at == later


def test_no_incident_is_of_a_later_time(engine: sa.Engine, forward: Forward) -> None:
    """It opens, calls and ends by the clock as it is; an acknowledgement is as long as it was to be."""
    forward(HOUR)
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name) values ('shop')"))
        now = clock(connection)
        limits = thresholds.limits(connection)
        for at in (now, now + timedelta(minutes=1)):
            lifecycle.observe(connection, at, [late("shop", at)], limits, judged=ALL, looked_before=at)
        [incident] = actions.find(connection, actions.STATES[:3])
        actions.acknowledge(connection, incident.id, "ann", now, limits)
    forward(-HOUR)
    with engine.begin() as connection:
        now = clock(connection)
        set_back.follow(connection, now)
        [incident] = actions.find(connection, actions.STATES[:3])
    assert not [name for name in ("active_at", "opened_at", "page_from") if getattr(incident, name) > now]
    assert all(signal.seen_at <= now for signal in incident.signals.values())
    assert incident.ack_expires_at is not None
    assert incident.ack_expires_at - now <= timedelta(minutes=31)


@pytest.mark.parametrize("observed", [True, False])
def test_the_watch_calls_by_the_clock_as_it_is(
    engine: sa.Engine, shop: Recipe, forward: Forward, observed: bool
) -> None:
    """One that looked while it was ahead, and one that has just begun: the next person is called in time."""
    with engine.begin() as connection:
        oncall.set_document(connection, ON_CALL, "test", None)
        accept.start_job(connection, shop, {"number": 1}, requested_by="test", sla_minutes=30)
    forward(2 * HOUR)
    watch = Watch(engine.begin, Measure(engine, None), sender_is_local=True)
    watch.turn()
    forward(-HOUR)
    if not observed:
        watch = Watch(engine.begin, Measure(engine, None), sender_is_local=True)
    watch.turn()
    forward(timedelta(minutes=11))
    watch.turn()
    with engine.connect() as connection:
        called = list(
            connection.scalars(sa.text("select recipient from oms.messages where page order by id"))
        )
    assert called[:2] == [PHONES["ada"], PHONES["grace"]]
