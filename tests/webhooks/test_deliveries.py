"""Events of jobs and cycles: in the outbox with what they tell of, signed, retried, given up, never lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.cycles import cycles
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_ops.documents.webhooks import NewWebhook, WebhookDelivery
from hms_ops.metrics.measure import Measure
from hms_ops.rules.services import webhook as rule
from hms_ops.webhooks import addresses, outbox, store
from hms_ops.webhooks.daemon import Webhooks, source
from hms_ops.webhooks.events import EVENTS
from hms_ops.webhooks.sending import Courier
from tests.conftest import wait_until
from tests.webhooks.receiver import Receiver, receiving

KEY = b"k" * 32
LOOPBACK = addresses.networks("127.0.0.0/8")


class Bench:
    """A ledger with a webhook, its receiver, and the daemon, which turns when it is told to."""

    def __init__(self, engine: sa.Engine, raw: RawConnection, shop: Recipe, receiver: Receiver) -> None:
        self.engine, self.raw, self.shop, self.receiver = engine, raw, shop, receiver
        with engine.connect() as connection:
            self.source = source(connection)
        self.daemon = self.another()
        self.added = self.add("billing", *EVENTS)

    def another(self, allowed: str = "127.0.0.0/8", key: bytes = KEY) -> Webhooks:
        """A daemon that has just begun."""
        courier = Courier(self.source, addresses.networks(allowed))
        return Webhooks(self.raw, self.engine.begin, courier, lambda: key)

    def add(self, name: str, *events: str, **only: Any) -> NewWebhook:
        """Add a webhook of the receiver."""
        with self.engine.begin() as connection:
            return store.add(
                connection,
                KEY,
                name=name,
                url=self.receiver.url,
                events=events,
                queue=only.get("queue"),
                job_type=only.get("type"),
                set_by="ann",
            )

    def order(self, number: int, **options: Any) -> int:
        """Accept an order."""
        with self.engine.begin() as connection:
            payload = {"number": number}
            accepted = accept.accept_many(connection, self.shop, [payload], requested_by="x", **options)
            return accepted.jobs[0]

    def finish(self, job: int) -> None:
        """Have a worker do all steps of a job."""
        ledger.take(self.raw, "shop", 100)
        for position, step in enumerate(["pick", "pack", "send"]):
            ticket = Ticket(job, 1, step)
            assert ledger.claim(self.raw, [(ticket, 60.0)], "w")
            following = position + 1 if position < 2 else None
            queue = "shop" if following else None
            assert ledger.complete(self.raw, [Completion(ticket, "1", None, following, queue, False)], "w")

    def outbox(self, name: str = "billing") -> list[WebhookDelivery]:
        """The events of a webhook, oldest first."""
        with self.engine.connect() as connection:
            return outbox.find(connection, store.number(connection, name), states=[], limit=100)[::-1]

    def turn(self) -> None:
        """Let the daemon do what is due, and record what came of it."""
        self.daemon.turn()
        wait_until(self._landed, "the answers")

    def _landed(self) -> bool:
        self.daemon.in_flight.land()
        return not self.daemon.in_flight.any


@pytest.fixture
def bench(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> Iterator[Bench]:
    with receiving() as receiver:
        yield Bench(engine, raw, shop, receiver)


def test_the_end_of_a_job_arrives_signed_as_a_cloud_event(bench: Bench) -> None:
    """Structured mode, one id for all, ids and facts and nothing of the payload, right signature."""
    job = bench.order(4711, keys=["ann@example.org"])
    bench.finish(job)
    [event] = bench.outbox()
    assert (event.event, event.state, event.attempts) == ("job.done", "pending", ())
    bench.turn()
    [got] = bench.receiver.requests
    assert got.is_signed_with(bench.added.secret)
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert got.id == got.event["id"] == f"job-{job}-done-1"
    assert {name: got.event[name] for name in ("specversion", "source", "type", "subject")} == {
        "specversion": "1.0",
        "source": bench.source,
        "type": "hms.job.done",
        "subject": f"job-{job}",
    }
    assert got.event["data"]["late"] is False
    assert b"4711" not in got.body
    assert b"example.org" not in got.body
    [delivered] = bench.outbox()
    assert (delivered.state, [attempt.http_status for attempt in delivered.attempts]) == ("delivered", [204])


def test_an_event_is_there_if_and_only_if_its_change_is_committed(bench: Bench) -> None:
    """It stands in the transaction of the change: what is rolled back tells nobody anything."""
    job = bench.order(1)
    with bench.engine.connect() as connection:
        commands.cancel(connection, [job], who="ann", reason=None)
        connection.rollback()
    assert bench.outbox() == []
    with bench.engine.begin() as connection:
        commands.cancel(connection, [job], who="ann", reason=None)
    assert [event.event for event in bench.outbox()] == ["job.cancelled"]


def test_each_end_has_its_event(bench: Bench) -> None:
    """Failed, tried again by a person, and failed again: two events with ids of their own."""
    job = bench.order(1)
    for attempt in (1, 3):
        ledger.take(bench.raw, "shop", 1)
        ticket = Ticket(job, attempt, "pick")
        assert ledger.claim(bench.raw, [(ticket, 60.0)], "w")
        reason = {"type": "ValueError", "message": "4711 is Ann's", "traceback": ""}
        ledger.fail(bench.raw, ticket, reason, retry_after=None, worker="w")
        with bench.engine.begin() as connection:
            commands.retry(connection, [job], who="ann", reason=None)
    assert [event.event_id for event in bench.outbox()] == [f"job-{job}-failed-2", f"job-{job}-failed-4"]
    bench.turn()
    assert {got.event["data"]["error"] for got in bench.receiver.requests} == {"ValueError"}
    assert not any(b"Ann" in got.body for got in bench.receiver.requests)


def test_a_webhook_hears_only_what_it_asked_for(bench: Bench, returns: Recipe) -> None:
    """By kind of event, queue and job type; never of what was before it."""
    bench.add("failures", "job.failed")
    bench.add("elsewhere", "job.done", queue=returns.queue)
    bench.add("other", "job.done", type=returns.type)
    bench.add("same", "job.done", queue="shop", type="shop:order:v1")
    bench.finish(bench.order(1))
    bench.add("later", "job.done")
    counts = {name: len(bench.outbox(name)) for name in ("failures", "elsewhere", "other", "same", "later")}
    assert counts == {"failures": 0, "elsewhere": 0, "other": 0, "same": 1, "later": 0}


def test_lateness_is_told_once(bench: Bench, forward: Callable[[timedelta], None]) -> None:
    """Of an open job past its deadline, of one that ended past it between two looks, and of the cycle."""
    with bench.engine.begin() as connection:
        batch = cycles.begin(connection, job_type="shop:order:v1", name="x", requested_by="x").id
    open_one, ended = bench.order(1, batch_id=batch), bench.order(2)
    bench.turn()
    assert bench.outbox() == []
    forward(timedelta(minutes=31))
    bench.finish(ended)
    for _ in range(2):
        bench.daemon = bench.another()
        bench.turn()
    bench.finish(open_one)
    events = [event.event for event in bench.outbox()]
    assert sorted(events) == ["cycle.late", "job.done", "job.done", "job.late", "job.late"]
    late = next(got.event for got in bench.receiver.requests if got.event["type"] == "hms.job.late")
    assert late["data"]["late"] is True


def test_a_cycle_ends_once_when_all_came_in_and_no_job_is_open(bench: Bench) -> None:
    """Not while it is open, not twice though a job is tried again; with counts of what became of the jobs."""
    with bench.engine.begin() as connection:
        batch = cycles.begin(connection, job_type="shop:order:v1", name="ann.csv", requested_by="x").id
    first, second = bench.order(1, batch_id=batch), bench.order(2, batch_id=batch)
    bench.finish(first)
    bench.turn()
    with bench.engine.begin() as connection:
        commands.cancel(connection, [second], who="ann", reason=None)
    bench.daemon = bench.another()
    bench.turn()
    assert "cycle.ended" not in {event.event for event in bench.outbox()}
    with bench.engine.begin() as connection:
        cycles.close(connection, batch)
    for _ in range(2):
        bench.daemon = bench.another()
        bench.turn()
    [ended] = [got.event for got in bench.receiver.requests if got.event["type"] == "hms.cycle.ended"]
    assert (ended["id"], ended["subject"]) == (f"cycle-{batch}-ended", f"cycle-{batch}")
    counts = {"jobs": 2, "done": 1, "failed": 0, "cancelled": 1, "late": 0}
    assert {name: ended["data"][name] for name in counts} == counts
    assert "ann.csv" not in str(ended)


def test_what_fails_is_tried_again_with_the_same_id_and_body(
    bench: Bench, forward: Callable[[timedelta], None]
) -> None:
    """Each attempt is kept with its answer; after the last the webhook is well again."""
    bench.receiver.answers = [500, 302]
    bench.receiver.headers = {"Location": "http://127.0.0.1:1/elsewhere"}
    bench.finish(bench.order(1))
    for _ in range(3):
        bench.turn()
        forward(timedelta(minutes=1))
    assert len({(got.id, got.body) for got in bench.receiver.requests}) == 1
    assert all(got.is_signed_with(bench.added.secret) for got in bench.receiver.requests)
    [event] = bench.outbox()
    outcomes = [(attempt.outcome, attempt.http_status) for attempt in event.attempts]
    assert outcomes == [("refused", 500), ("refused", 302), ("delivered", 204)]
    with bench.engine.connect() as connection:
        assert store.get(connection, "billing").state == "active"


@pytest.mark.parametrize("observed", [True, False])
def test_an_event_waits_no_longer_because_the_clock_was_set_back(
    bench: Bench, forward: Callable[[timedelta], None], observed: bool
) -> None:
    """Neither one that is to go again, nor a new one, nor the webhook; whether the jump was seen or not."""
    bench.receiver.answers = [500] * 5
    forward(timedelta(days=1))
    for number in range(1, 6):
        bench.finish(bench.order(number))
    bench.turn()
    bench.finish(bench.order(6))
    forward(timedelta(days=-1))
    if not observed:
        bench.daemon = bench.another()
    bench.daemon._swept = float("-inf")
    for _ in range(8):
        bench.turn()
        forward(timedelta(minutes=1))
    assert {event.state for event in bench.outbox()} == {"delivered"}


def test_a_webhook_of_a_later_time_hears_what_happens_now(
    bench: Bench, forward: Callable[[timedelta], None]
) -> None:
    """It was added by a clock that has been set back since."""
    forward(timedelta(hours=-1))
    bench.finish(bench.order(1))
    assert [event.event for event in bench.outbox()] == ["job.done"]


def test_a_webhook_that_fails_is_left_alone_and_then_tried_with_one_event(
    bench: Bench, forward: Callable[[timedelta], None]
) -> None:
    """The breaker opens after five failures in a row, lets one through, and closes when that arrives."""
    bench.receiver.answers = [503] * 9
    for number in range(1, 13):
        bench.finish(bench.order(number))
    bench.turn()
    bench.turn()
    assert len(bench.receiver.requests) == 8
    bench.turn()
    assert len(bench.receiver.requests) == 8
    forward(timedelta(minutes=10))
    bench.turn()
    assert len(bench.receiver.requests) == 9
    with bench.engine.connect() as connection:
        assert store.get(connection, "billing").state == "failing"
    forward(timedelta(minutes=10))
    bench.turn()
    assert len(bench.receiver.requests) == 10
    for _ in range(3):
        bench.turn()
    assert {event.state for event in bench.outbox()} == {"delivered"}
    assert len({got.id for got in bench.receiver.requests}) == 12


def test_what_is_given_up_opens_an_incident(bench: Bench, forward: Callable[[timedelta], None]) -> None:
    """After a quarter of an hour of failures, and for a day once an event was given up after three days."""
    bench.receiver.answers = [500] * 2
    measure = Measure(bench.engine, None)

    def findings() -> list[Any]:
        with bench.engine.begin() as connection:
            return rule.judge(measure.look(connection, True), lambda *_: 15.0)

    bench.finish(bench.order(1))
    bench.turn()
    assert findings() == []
    forward(timedelta(minutes=16))
    [failing] = findings()
    assert (failing.subject, failing.facts["given_up"]) == ("billing", 0)
    forward(timedelta(days=3))
    bench.turn()
    [event] = bench.outbox()
    assert (event.state, event.fault) == ("failed", "HTTP 500")
    [given_up] = findings()
    assert given_up.facts["given_up"] == 1
    with bench.engine.begin() as connection:
        number = store.number(connection, "billing")
        assert outbox.begin_again(connection, number, event.id) == 1
        store.resume(connection, "billing")
    bench.turn()
    bench.turn()
    assert findings() == []


def test_a_paused_webhook_loses_nothing(bench: Bench, forward: Callable[[timedelta], None]) -> None:
    """Its events wait, for however long, and go when it is resumed; a removed one gets none of them."""
    with bench.engine.begin() as connection:
        store.pause(connection, "billing", "ann", "they are moving")
    bench.finish(bench.order(1))
    forward(timedelta(days=9))
    bench.turn()
    assert ([event.state for event in bench.outbox()], bench.receiver.requests) == (["pending"], [])
    with bench.engine.begin() as connection:
        store.resume(connection, "billing")
    bench.turn()
    assert [event.state for event in bench.outbox()] == ["delivered"]
    bench.finish(bench.order(2))
    with bench.engine.begin() as connection:
        assert store.remove(connection, "billing", "ann").waiting == 1
        assert store.find(connection) == []
    bench.turn()
    assert len(bench.receiver.requests) == 1


def test_a_receiver_that_is_gone_is_not_asked_again(bench: Bench) -> None:
    """410 pauses the webhook in its receiver's name, and the event waits."""
    bench.receiver.answers = [410]
    bench.finish(bench.order(1))
    bench.turn()
    with bench.engine.connect() as connection:
        webhook = store.get(connection, "billing")
    assert (webhook.state, webhook.paused_by, webhook.waiting) == ("paused", "its receiver", 1)


def test_nothing_is_sent_to_an_address_that_is_private_by_now(bench: Bench) -> None:
    """What may be reached is judged at each attempt, not only when the webhook was added."""
    bench.finish(bench.order(1))
    bench.daemon = bench.another(allowed="")
    bench.turn()
    [event] = bench.outbox()
    assert bench.receiver.requests == []
    assert event.attempts[0].outcome == "not sent"
    assert "no public address" in str(event.fault)


def test_no_event_is_signed_with_another_key(bench: Bench) -> None:
    """A watch that has not the API's key says so instead of sending what no receiver would believe."""
    bench.finish(bench.order(1))
    bench.daemon = bench.another(key=b"x" * 32)
    bench.turn()
    assert bench.receiver.requests == []
    assert "HMS_EVENTS_KEY" in str(bench.outbox()[0].fault)


def test_an_event_whose_sender_is_gone_goes_again(bench: Bench, forward: Callable[[timedelta], None]) -> None:
    """Nobody can tell whether it arrived: the attempt is unknown, the id the same, its answer too late."""
    bench.finish(bench.order(1))
    with bench.engine.connect() as connection:
        number = store.number(connection, "billing")
    [taken] = outbox.take(bench.raw, {number: 5})
    assert outbox.take(bench.raw, {number: 5}) == []
    forward(timedelta(seconds=61))
    bench.turn()
    outbox.answered(
        bench.raw, taken, state="failed", outcome="refused", http_status=500, fault="late", delay=0, alone=0,
        gone=False,
    )  # fmt: skip
    [event] = bench.outbox()
    assert event.state == "delivered"
    assert [attempt.outcome for attempt in event.attempts] == ["unknown", "delivered"]


def test_a_late_answer_says_nothing_of_the_attempt_after_it(
    bench: Bench, database: str, forward: Callable[[timedelta], None]
) -> None:
    """While one sender has an event no other takes it; once it is gone, its answer comes too late."""
    bench.finish(bench.order(1))
    with bench.engine.connect() as connection:
        number = store.number(connection, "billing")
    with closing(connections.connect(database, "first", autocommit=False)) as first:
        [late] = outbox.take(first, {number: 5})
        with bench.raw.cursor() as cursor:
            cursor.execute("set lock_timeout = '2s'")
        assert outbox.take(bench.raw, {number: 5}) == []
        first.commit()
    forward(timedelta(seconds=61))
    assert outbox.take_back(bench.raw) == 1
    forward(timedelta(hours=1))
    [now] = outbox.take(bench.raw, {number: 5})
    assert (late.attempt, now.attempt) == (1, 2)
    outbox.answered(
        bench.raw, late, state="failed", outcome="refused", http_status=500, fault="late", delay=0, alone=0,
        gone=False,
    )  # fmt: skip
    [event] = bench.outbox()
    assert event.state == "sending"


def test_old_events_are_removed(bench: Bench, forward: Callable[[timedelta], None]) -> None:
    """A month after their end, with their attempts; what waits stays."""
    bench.finish(bench.order(1))
    bench.turn()
    with bench.engine.begin() as connection:
        store.pause(connection, "billing", "ann", None)
    bench.finish(bench.order(2))
    forward(timedelta(days=31))
    with bench.engine.begin() as connection:
        assert outbox.remove_old(connection) == 1
    assert [event.state for event in bench.outbox()] == ["pending"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"name": "billing"}, "already"),
        ({"events": ["cycle.ended"], "queue": "shop"}, "a cycle has no queue"),
    ],
)
def test_webhooks_that_cannot_be_are_refused(bench: Bench, change: dict[str, Any], fault: str) -> None:
    """A name twice, and a cycle of a queue."""
    values = {"name": "new", "events": ["job.done"], **change}
    with pytest.raises(store.BadWebhook, match=fault):
        bench.add(values["name"], *values["events"], queue=values.get("queue"))
