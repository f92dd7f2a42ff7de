"""One bad line, sender, queue, recipe, incident or metric stops no other, and people see which it is."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_act import dispatcher as hms_dispatcher
from hms_act.broker_watch import BrokerWatch
from hms_act.dispatcher import IDLE_SECONDS, Dispatcher, make_app
from hms_act.recovery import Recovery
from hms_oms.broker import waiting_tickets as redis_tickets
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands
from hms_oms.jobs.queries import read
from hms_oms.messages import outbox
from hms_oms.messages.records import Dispatch
from hms_oms.recipes.recipes import Recipe
from hms_ops import health, heartbeats
from hms_ops.incidents import actions
from hms_ops.metrics import metrics
from hms_ops.metrics.measure import Measure
from hms_ops.paging import calls
from hms_ops.paging import pager as delivery
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders import Outcome, Result, Sighting
from hms_ops.paging.senders.log import Log
from hms_ops.watch import Watch
from tests.ops.test_delivery import PHONE, applicants, drive, states

FOREIGN = [
    b"# rotated\n",
    b"\n",
    b"null\n",
    b"[]\n",
    b"7\n",
    b'{"token": 7}\n',
    b'{"no": "token"}\n',
    b"\xff\xfe\x00\n",
    b"[" * 100_000 + b"\n",
]


def broken(engine: sa.Engine, table: str, when: str) -> None:
    """Have the database refuse the rows of a table that meet a condition."""
    name = f"broken_{table.partition('.')[2]}"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"create function public.{name}() returns trigger language plpgsql as"
            f" $$ begin if {when} then raise 'broken'; end if; return new; end $$;"
            f" create trigger {name} before insert or update on {table}"
            f" for each row execute function public.{name}()"
        )


def order(engine: sa.Engine, recipe: Recipe, number: int) -> int:
    """Accept one job; its number."""
    with engine.begin() as connection:
        started = accept.start_job(connection, recipe, {"number": number + 1}, requested_by="test")
        return started.job.id


def detail(engine: sa.Engine, name: str) -> dict[str, Any]:
    """What a program says of itself."""
    with engine.connect() as connection:
        return dict(next(pulse for pulse in heartbeats.status(connection) if pulse.name == name).detail)


@pytest.mark.parametrize("line", FOREIGN, ids=lambda line: repr(line[:14]))
def test_a_foreign_line_in_the_handset_log_stops_no_text(line: bytes, tmp_path: Path) -> None:
    """Texts before and after it are known by their tokens, and the rest go."""
    path = tmp_path / "handset.log"
    path.write_bytes(line + json.dumps({"token": "kept"}).encode() + b"\n" + line)
    log = Log(path)
    outcomes = log.send([text(1, "kept"), text(2, "new")])
    assert [outcome.result for outcome in outcomes] == [Result.TAKEN, Result.TAKEN]
    assert path.read_bytes().count(b'"token": "kept"') == path.read_bytes().count(b'"token": "new"') == 1
    assert log.look_up(text(1, "kept")) == [Sighting("kept", "delivered")]
    assert log.remark is None if not line.strip() else "2 lines are not of its own" in str(log.remark)


def test_people_see_that_the_handset_log_is_odd_or_cannot_be_written(
    engine: sa.Engine, raw: RawConnection, tmp_path: Path
) -> None:
    """A foreign line makes the pager amber, a log that cannot be written makes it red."""
    path = tmp_path / "handset.log"
    path.write_text("# rotated\n")

    def beat(said: Any) -> None:
        with engine.begin() as connection:
            heartbeats.beat(connection, "pager", said)

    def light() -> tuple[str, str]:
        pager = Delivery(raw, Log(path), beat)
        pager.turn()
        pager.beat = beat
        pager._say(time.monotonic() + delivery.BEAT_SECONDS)
        with engine.connect() as connection:
            part = next(item for item in health.of_calling(health.read(connection)) if item.name == "pager")
        return part.light, part.words

    applicants(engine, 1)
    assert light() == ("warn", f"the pager: {path}: 1 line is not of its own and passed over")
    path.unlink()
    path.mkdir()
    with engine.begin() as connection:
        outbox.put_page(
            connection, token="page", incident=None, kind="test", reference=None, recipient=PHONE, body="Hi"
        )
    assert light() == ("bad", f"the pager: {path}: Is a directory")


class Picky:
    """A sender that raises at one text."""

    name, local, repeatable, at_once, per_second = "picky", True, True, 10, None
    remark = None

    def __init__(self, answers: int | None = None) -> None:
        self.answers = answers

    def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
        """Take all but the second; or give that many answers."""
        if self.answers is not None:
            return [Outcome(Result.TAKEN, status="delivered")] * self.answers
        if any(text.id == 2 for text in texts):
            raise ValueError
        return [Outcome(Result.TAKEN, status="delivered") for _ in texts]

    def look_up(self, text: Dispatch) -> list[Sighting]:
        """Nothing."""
        return []


def text(number: int, token: str = "one") -> Dispatch:
    """A text under our lease."""
    return Dispatch(
        id=number, fence=1, attempt=1, tries=1, token=token, page=False, kind="decision", reference=None,
        recipient="+12025550142", body="Hello", resend=False, sid=None, write_by=time.monotonic() + 30,
    )  # fmt: skip


def test_one_text_that_a_sender_cannot_bear_holds_up_no_other() -> None:
    """Of a batch that raises each text goes by itself; a wrong number of answers is none."""
    batch = [text(1), text(2), text(3)]
    results = [outcome.result for outcome in calls.send(Picky(), batch)]
    assert results == [Result.TAKEN, Result.UNKNOWN, Result.TAKEN]
    [first, second] = calls.send(Picky(answers=3), batch[:2])
    assert first.result is second.result is Result.UNKNOWN
    assert first.ours
    assert str(first.fault).startswith("the picky sender failed: 3 outcomes for 1 texts")


def test_what_the_ledger_cannot_keep_of_an_answer_is_left_out(
    engine: sa.Engine, raw: RawConnection, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer with a NUL, a lone surrogate or a megabyte in it is recorded and logged all the same."""

    class Odd(Picky):
        def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
            odd = "a\0\ud800" + "x" * 1_000_000
            return [Outcome(Result.REFUSED, sid=f"{text.id}{odd}", code=odd, fault=odd) for text in texts]

    applicants(engine, 2)
    drive(Delivery(raw, Odd()), lambda: set(states(engine)) == {"failed"}, "both to be recorded")
    assert "was refused: a?xxx" in caplog.text
    assert len(caplog.text.encode()) < 10_000


def dispatcher(engine: sa.Engine, raw: RawConnection, broker: str) -> Dispatcher:
    """The dispatcher of the product."""
    recovery = Recovery(raw, redis_tickets.client(broker))
    return Dispatcher(make_app(broker), engine, raw, recovery, BrokerWatch(broker))


def part(engine: sa.Engine, name: str) -> tuple[str, str]:
    """The light and the words of a part of the installation."""
    with engine.connect() as connection:
        ledger = health.read(connection)
    facts = health.Facts(health.Seen(), health.Seen(), ledger)
    result = next(item for item in health.judge(facts, ledger.now.tzinfo or None) if item.name == name)  # type: ignore[arg-type]
    return result.light, result.words


def ready(engine: sa.Engine, *queues: str) -> None:
    """Let messages out without a worker."""
    with engine.begin() as connection:
        for queue in queues:
            commands.limit(connection, queue, window=5, starts_per_minute=None, who="test")


def test_a_queue_that_fails_in_the_dispatchers_turn_stops_no_other(
    engine: sa.Engine, raw: RawConnection, broker: str, shop: Recipe, caplog: Any
) -> None:
    """Queues before and after it are served, and ops status names it; it is logged once."""
    moved = {queue: order(engine, shop, number) for number, queue in enumerate(("aaa", "mmm", "shop"))}
    with engine.begin() as connection:
        for queue in ("aaa", "mmm"):
            connection.execute(sa.text("insert into oms.queues (name) values (:name)"), {"name": queue})
        for queue in ("aaa", "mmm"):
            commands.move(connection, [moved[queue]], queue, who="boss", reason=None)
    ready(engine, *moved)
    broken(engine, "oms.jobs", "new.queue = 'mmm'")
    acting = dispatcher(engine, raw, broker)
    acting.turn()
    acting.turn()
    client = redis_tickets.client(broker)
    for queue, job in moved.items():
        assert (f"job-{job}.1.pick" in redis_tickets.tickets(client, [queue])) is (queue != "mmm")
    assert part(engine, "dispatcher") == (
        "warn",
        "the dispatcher: queue mmm (RaiseException) failed: see its log",
    )
    assert caplog.text.count("queue mmm failed") == 1


def test_a_recipe_snapshot_that_cannot_be_read_stops_no_other(
    engine: sa.Engine, raw: RawConnection, broker: str, shop: Recipe, returns: Recipe
) -> None:
    """Its jobs fail with words and can be retried; those of other recipes are handed out."""
    bad, good = order(engine, shop, 1), order(engine, returns, 1)
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.recipes set definition = '[]' where type = 'shop:order:v1'")
        good_queue = read.get(connection, good).queue
    ready(engine, "shop", good_queue)
    dispatcher(engine, raw, broker).turn()
    assert redis_tickets.tickets(redis_tickets.client(broker), [good_queue, "shop"])
    with engine.connect() as connection:
        failed = read.get(connection, bad)
        assert read.get(connection, good).status == "queued"
    assert failed.status == "failed"
    assert failed.error is not None
    assert "cannot be read by this program" in failed.error["message"]
    Watch(engine.begin, Measure(engine, None), sender_is_local=True).turn()
    assert not detail(engine, "ops")["failed_rules"]


def test_an_incident_and_a_metric_that_raise_stop_no_other(
    engine: sa.Engine, shop: Recipe, forward: Any
) -> None:
    """The other queue's incident opens and calls, other metrics are written, the watch says what fails."""
    numbers = [order(engine, shop, number) for number in range(2)]
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name) values ('aaa')"))
        commands.move(connection, numbers[:1], "aaa", who="boss", reason=None)
    broken(engine, "ops.incidents", "new.queue = 'aaa'")
    broken(engine, "ops.metrics", "new.name = 'sla.breached'")
    eye = Watch(engine.begin, Measure(engine, None), sender_is_local=True)
    eye.turn()
    forward(timedelta(minutes=31))
    eye.turn()
    eye.turn()
    with engine.connect() as connection:
        assert [incident.queue for incident in actions.find(connection) if incident.rule == "late"] == [
            "shop"
        ]
        bodies = connection.scalars(sa.text("select body from oms.messages where page")).all()
        assert sum("late" in body and "shop" in body for body in bodies) == 1
        names = {metric.name for metric in metrics.newest(connection)}
    assert "sla.breached" not in names
    assert {"queue.length", "floor.workers"} <= names
    failing = detail(engine, "ops")["failing"]
    assert "beginning an incident of deadlines of aaa (RaiseException)" in failing
    assert part(engine, "watch")[0] == "warn"


def test_a_dispatcher_without_open_jobs_asks_little(
    engine: sa.Engine, raw: RawConnection, broker: str, shop: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn is one look for an open job, between reports and sweeps; with one all is done as ever."""
    # However busy this machine is.
    monkeypatch.setattr(hms_dispatcher, "QUIET_SHARE", 100.0)
    quiet = dispatcher(engine, raw, broker)
    quiet.turn()
    before = raw.statements
    for _ in range(10):
        assert quiet.turn() == IDLE_SECONDS
    assert 10 <= raw.statements - before < 30
    order(engine, shop, 1)
    before = raw.statements
    quiet.turn()
    assert raw.statements - before >= 10
