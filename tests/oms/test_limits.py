"""Keys that are unique for a while, and limits of jobs at once: with one key, and of one queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

import hms
from hms.enqueueing import Enqueued
from hms_act import accept
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.queries import explain, read, uniqueness
from hms_oms.jobs.queries.uniqueness import BadUniqueness
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.queues.dispatch_windows import windows
from hms_oms.recipes import recipes
from hms_oms.recipes.limits import Limit
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import ConfigError, UnknownJob
from tests.conftest import RECIPES
from tests.races.test_races import Contender

HOUR = timedelta(hours=1)


def start(engine: sa.Engine, shop: Recipe, number: int = 1, **options: Any) -> accept.Started:
    """Start an order; `within` and `states` say how its key is unique."""
    unique = uniqueness.unique(options.pop("within", None), options.pop("states", None))
    with engine.begin() as connection:
        return accept.start_job(
            connection, shop, {"number": number}, requested_by="x", unique=unique, **options
        )


def end(raw: RawConnection, job: int) -> None:
    """Fail a job that stands in the window, for good."""
    ticket = Ticket(job, 1, "pick")
    assert ledger.claim(raw, [(ticket, 60.0)], "w")
    ledger.fail(raw, ticket, {"type": "X", "message": "", "traceback": ""}, retry_after=None, worker="w")


def taken(raw: RawConnection) -> list[int]:
    """Let in what may be, and take all that is in the backlog."""
    ledger.let_in(raw)
    return [job.job for job in ledger.take(raw, "shop", 100)]


def test_a_key_is_unique_within_a_time(
    engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """The job of that time is the answer, whatever became of it; afterwards there is a new one."""
    first = start(engine, shop, 1, key="ann", within=HOUR)
    assert (start(engine, shop, 2, key="ann", within=HOUR).job.id, first.created) == (first.job.id, True)
    assert start(engine, shop, 2, key="bob", within=HOUR).created
    with engine.begin() as connection:
        commands.cancel(connection, [first.job.id], who="x", reason=None)
    assert not start(engine, shop, 2, key="ann", within=HOUR).created
    forward(timedelta(minutes=61))
    assert start(engine, shop, 2, key="ann", within=HOUR).created


def test_a_key_is_unique_while_its_job_is_in_a_state(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Open until it has ended; waiting until it is taken. The key of the payload does, if none is given."""
    first = start(engine, shop, states="open").job.id
    assert start(engine, shop, states="open").job.id == first
    assert start(engine, shop, states=["waiting"]).job.id == first
    assert taken(raw) == [first]
    assert start(engine, shop, states="open").job.id == first
    assert start(engine, shop, states=["waiting"]).created
    end(raw, first)
    for other in taken(raw):
        end(raw, other)
    assert start(engine, shop, states="open").created


def test_two_who_start_at_once_make_one_job(database: str, engine: sa.Engine, shop: Recipe) -> None:
    """The second waits for the first to commit, and then sees its job; after a rollback it makes its own."""
    unique = uniqueness.unique(HOUR, None)
    url = database.replace("postgresql://", "postgresql+psycopg2://")
    other = sa.create_engine(url, connect_args={"application_name": "contender"})

    def contend(_: RawConnection) -> accept.Started:
        with other.begin() as connection:
            return accept.start_job(
                connection, shop, {"number": 2}, requested_by="x", key="ann", unique=unique
            )

    for commits in (False, True):
        with engine.connect() as connection:
            ours = accept.start_job(
                connection, shop, {"number": 1}, requested_by="x", key="ann", unique=unique
            )
            if commits:
                # The contender of before has made one.
                assert not ours.created
                connection.rollback()
                break
            contender = Contender(database, contend)
            contender.wait_for_lock(engine)
            connection.rollback()
        assert contender.finish().created
    with engine.connect() as connection:
        ours = accept.start_job(connection, shop, {"number": 1}, requested_by="x", key="bob", unique=unique)
        contender = Contender(
            database,
            lambda _: start(other, shop, 2, key="bob", within=HOUR),
        )
        contender.wait_for_lock(engine)
        connection.commit()
    theirs = contender.finish()
    other.dispose()
    assert (theirs.created, theirs.job.id) == (False, ours.job.id)


def test_uniqueness_that_cannot_hold_is_refused(engine: sa.Engine, shop: Recipe) -> None:
    """In a snapshot others are not seen; a state is one there is; a key must come from somewhere."""
    with (
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        pytest.raises(BadUniqueness, match="repeatable read"),
    ):
        uniqueness.holder(connection, shop.type, "ann", uniqueness.Unique(HOUR, frozenset()))
    for within, states in ((timedelta(), None), (None, "opne"), (None, [])):
        with pytest.raises(BadUniqueness):
            uniqueness.unique(within, states)
    with pytest.raises(BadUniqueness, match="no key"):
        start(engine, replace(shop, key=None), within=HOUR)


def test_no_more_jobs_with_a_key_are_in_flight_than_may_be(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Two of one key and one of another; each that ends lets the next one in, by priority and deadline."""
    ann = [start(engine, shop, number, limit_key="ann", at_once=2).job.id for number in range(1, 5)]
    bob = [start(engine, shop, number, limit_key="bob").job.id for number in (11, 12)]
    free = start(engine, shop, 21).job.id
    urgent = start(engine, shop, 5, limit_key="ann", at_once=2, priority=9).job.id
    assert sorted(taken(raw)) == sorted([urgent, ann[0], bob[0], free])
    assert taken(raw) == []
    end(raw, ann[0])
    assert taken(raw) == [ann[1]]
    with engine.begin() as connection:
        commands.cancel(connection, [bob[1]], who="x", reason=None)
    end(raw, bob[0])
    assert taken(raw) == []


def test_no_more_are_let_in_than_may_be_in_flight(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """What is in the backlog already is counted as well as what is in flight."""
    for number in range(1, 6):
        start(engine, shop, number, limit_key="ann", at_once=3)
    assert [ledger.let_in(raw)[0] for _ in range(2)] == [3, 0]
    ledger.take(raw, "shop", 1)
    assert ledger.let_in(raw)[0] == 0


def test_a_limit_holds_however_a_job_comes_into_the_backlog(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """One that is retried, tried again by a person, or delayed by one, waits for the others, too."""
    first, second, third = (start(engine, shop, number, limit_key="ann").job.id for number in (1, 2, 3))
    assert taken(raw) == [first]
    ticket = Ticket(first, 1, "pick")
    assert ledger.claim(raw, [(ticket, 60.0)], "w")
    ledger.fail(raw, ticket, {"type": "X", "message": "", "traceback": ""}, retry_after=5.0, worker="w")
    assert taken(raw) == [second]
    forward(timedelta(seconds=6))
    ledger.wake(raw)
    assert taken(raw) == []
    with engine.begin() as connection:
        commands.delay(connection, [third], None, who="x", reason=None)
    assert taken(raw) == []
    end(raw, second)
    assert taken(raw) == [first]
    with engine.begin() as connection:
        commands.retry(connection, [second], who="x", reason=None)
    assert taken(raw) == []


def test_a_recipe_names_the_field_that_is_the_key(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Jobs of a file, too; versions of a type share the key; explain says what such a job waits for."""
    limited = replace(shop, limit=Limit("number", 1), key=None)
    with engine.begin() as connection:
        payloads = [{"number": 7}, {"number": 7}, {"number": 8}]
        jobs = accept.accept_many(connection, limited, payloads, requested_by="x").jobs
        later = replace(limited, type="shop:order:v2")
        other = accept.accept_many(connection, later, payloads[:1], requested_by="x").jobs
    assert taken(raw) == [jobs[0], jobs[2]]
    with engine.connect() as connection:
        standing = explain.standing(connection, jobs[1])
        assert (standing.limit_at_once, standing.with_key, standing.job.ready_at) == (1, 1, None)
        assert read.get(connection, other[0]).status == "waiting"
    assert limited.digest == replace(shop, key=None).digest


def test_a_limit_that_cannot_be_is_a_fault_of_its_recipe() -> None:
    """A field that the payload has not, and a step of agents, whose work nobody hands out."""
    document = {
        "type": "a:b:v1",
        "queue": "a",
        "sla_minutes": 1,
        "steps": [{"name": "look", "by": "agent"}],
        "payload": {"type": "object", "properties": {"account": {"type": "string"}}},
        "limit": {"field": "acount", "at_once": 0},
    }
    with pytest.raises(ConfigError, match=r"limit\.at_once"):
        recipes.parse(document, "a.toml")
    with pytest.raises(ConfigError) as refused:
        recipes.parse({**document, "limit": {"field": "acount"}}, "a.toml")
    assert [fault.partition(": ")[2] for fault in refused.value.faults] == [
        "limit.field: acount is not a field of the payload",
        "steps.0.by: a step of agents cannot be in a recipe with a limit",
    ]


def test_no_more_jobs_of_a_queue_are_in_flight_than_may_be(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """The window has room for what is free, also for a step that comes from another queue."""
    with engine.begin() as connection:
        commands.limit(connection, "shop", window=50, starts_per_minute=None, at_once=3, who="x")
    jobs = [start(engine, shop, number).job.id for number in range(1, 6)]

    def room() -> int:
        return next(window.room(0.0) for window in windows(raw) if window.queue == "shop")

    assert room() == 3
    ledger.take(raw, "shop", 2)
    assert room() == 1
    assert ledger.claim(raw, [(Ticket(jobs[0], 1, "pick"), 60.0)], "w")
    assert room() == 1
    end_of_step = Completion(Ticket(jobs[0], 1, "pick"), "1", None, 1, "shop", False)
    assert ledger.complete(raw, [end_of_step], "w") == {end_of_step.ticket: "queued"}
    end(raw, jobs[1])
    assert room() == 2
    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name, at_once) values ('far', 1)"))
    assert ledger.claim(raw, [(Ticket(jobs[0], 1, "pack"), 60.0)], "w")
    over = Completion(Ticket(jobs[0], 1, "pack"), "1", None, 2, "far", False)
    assert ledger.complete(raw, [over], "w") == {over.ticket: "waiting"}


def test_a_program_waits_for_its_job(
    engine: sa.Engine, raw: RawConnection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before it is committed, not for longer than it wants to; then it has the results, or the reason."""
    monkeypatch.setenv("HMS_RECIPES", str(RECIPES))
    with engine.connect() as connection:
        options: dict[str, Any] = {"requested_by": "x", "unique_while": "open", "limit_key": "ann"}
        job = hms.enqueue(connection, "shop:order:v1", {"number": 1}, **options)
        with pytest.raises(UnknownJob, match="commit the transaction"):
            job.wait(0.0)
        connection.commit()
        assert hms.enqueue(connection, "shop:order:v1", {"number": 1}, **options).id == job.id
    assert isinstance(job, Enqueued)
    with pytest.raises(hms.NotEnded, match=f"job-{job.id} is waiting at step pick"):
        job.wait(0.05)

    def work(own: RawConnection) -> None:
        taken(own)
        for position, step in enumerate(["pick", "pack", "send"]):
            ticket = Ticket(job.id, 1, step)
            assert ledger.claim(own, [(ticket, 60.0)], "w")
            following = position + 1 if position < 2 else None
            queue = "shop" if following else None
            ledger.complete(own, [Completion(ticket, f'"{step}"', None, following, queue, False)], "w")

    worker = Contender(database, work)
    assert job.results(20.0) == {"pick": "pick", "pack": "pack", "send": "send"}
    worker.finish()
    with engine.begin() as connection:
        other = hms.enqueue(connection, "shop:order:v1", {"number": 2}, requested_by="x")
    taken(raw)
    end(raw, other.id)
    with pytest.raises(hms.NotDone, match=f"job-{other.id} is failed at step pick: X"):
        other.results()
    connections.engine(database).dispose()
