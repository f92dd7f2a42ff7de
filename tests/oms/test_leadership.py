"""Who leads: a lease that is taken, renewed and given back, and the fence around what a leader writes."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from hms_oms.daemon import daemon, leader_election, renewal
from hms_oms.daemon.daemon import Stop
from hms_oms.daemon.leader_election import Lease
from hms_oms.database import connections as ledger_connections
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from tests.conftest import wait_until


@pytest.fixture
def other(database: str) -> Iterator[RawConnection]:
    """The connection of another process."""
    with closing(ledger_connections.connect(database, "other")) as connection:
        yield connection


def lead(connection: RawConnection) -> Lease:
    """Take the lease as it stands, anyone who has it."""
    term = leader_election.take(connection, "act", leader_election.look(connection, "act"))
    assert term is not None
    return Lease("act", term, connection)


def test_the_first_leads_until_it_gives_back(
    raw: RawConnection, other: RawConnection, engine: sa.Engine
) -> None:
    """A lease that is held is not vacant; given back, it is, and the next term is a higher one."""
    first = lead(raw)
    assert not leader_election.look(other, "act").vacant
    with engine.connect() as connection:
        assert [(leader.daemon, leader.term) for leader in health.leaders(connection)] == [
            ("act", first.term)
        ]
    leader_election.resign(raw, "act", first.term)
    with engine.connect() as connection:
        assert health.leaders(connection) == []
    assert leader_election.look(other, "act").vacant
    assert lead(other).term == first.term + 1


def test_of_two_who_see_a_vacant_lease_one_gets_it(raw: RawConnection, other: RawConnection) -> None:
    """Who takes it as it was before somebody else took or renewed it gets nothing."""
    observed = leader_election.look(raw, "act")
    assert leader_election.look(other, "act") == observed
    term = leader_election.take(raw, "act", observed)
    assert term is not None
    assert leader_election.take(other, "act", observed) is None
    observed = leader_election.look(other, "act")
    assert leader_election.renew(raw, "act", term, 5.0)
    assert leader_election.take(other, "act", observed) is None


def test_a_former_leader_writes_nothing(raw: RawConnection, other: RawConnection, engine: sa.Engine) -> None:
    """Once another one leads, each statement of the former leader is refused, on each of its connections."""
    former = lead(raw)
    ledger.wake(raw)
    lead(other)
    with pytest.raises(psycopg2.DatabaseError) as refused:
        ledger.wake(raw)
    assert leader_election.is_over(refused.value)
    assert not ledger_connections.is_gone(refused.value)
    with pytest.raises(DBAPIError) as refused_too, former.begin(engine):
        pass
    assert leader_election.is_over(refused_too.value)
    raw.preamble = ""
    assert not leader_election.renew(raw, "act", former.term, 5.0)
    ledger.wake(other)


def test_a_successor_goes_on_with_the_watch_unless_there_was_a_gap(
    raw: RawConnection, other: RawConnection
) -> None:
    """What the leader before has watched counts, if it was there until a moment ago."""
    lead(raw)
    with raw.cursor() as cursor:
        cursor.execute("update oms.leaders set watched_since = watched_since - interval '1 minute'")
    assert leader_election.watched(lead(other)) > 59
    with other.cursor() as cursor:
        cursor.execute("update oms.leaders set renewed_at = renewed_at - interval '4 seconds'")
    raw.preamble = ""
    assert leader_election.watched(lead(raw)) < 59
    with raw.cursor() as cursor:
        cursor.execute(
            "update oms.leaders set watched_since = watched_since - interval '1 minute',"
            " renewed_at = pg_postmaster_start_time() - interval '1 millisecond'"
        )
    other.preamble = ""
    assert leader_election.watched(lead(other)) < 59


def test_a_successor_waits_for_what_is_being_written(
    raw: RawConnection, other: RawConnection, engine: sa.Engine
) -> None:
    """While a transaction of the leader is open nobody takes the lease, so the two never overlap."""
    former = lead(raw)
    with former.begin(engine) as connection:
        connection.exec_driver_sql("insert into oms.queues (name) values ('written')")
        assert leader_election.take(other, "act", leader_election.look(other, "act")) is None
    assert lead(other).term == former.term + 1


def test_a_leader_that_hangs_in_a_transaction_is_ended(
    raw: RawConnection, other: RawConnection, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session of a leader that stands still with a transaction open."""
    monkeypatch.setattr(leader_election, "IDLE_SECONDS", 0.1)
    former = lead(raw)

    def hang() -> None:
        with former.begin(engine) as connection:
            wait_until(
                lambda: leader_election.take(other, "act", leader_election.look(other, "act")),
                "a successor to lead",
                5,
            )
            connection.exec_driver_sql("select")

    with pytest.raises(DBAPIError) as ended:
        hang()
    assert ended.value.orig is not None
    assert ledger_connections.is_gone(ended.value.orig)


def test_a_leader_that_hangs_between_two_statements_is_ended(
    raw: RawConnection, other: RawConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on its own connection, where it writes by several statements in one transaction."""
    monkeypatch.setattr(leader_election, "IDLE_SECONDS", 0.1)
    lead(raw)
    raw.autocommit = False
    ledger.wake(raw)
    wait_until(
        lambda: leader_election.take(other, "act", leader_election.look(other, "act")),
        "a successor to lead",
        5,
    )
    with pytest.raises(psycopg2.Error) as ended:
        ledger.wake(raw)
    assert ledger_connections.is_gone(ended.value)


@pytest.mark.parametrize("by", ["1 hour", "-1 hour"])
def test_a_clock_that_is_set_makes_no_two_leaders(
    database: str, raw: RawConnection, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set ahead, a lease has run out and the fence decides; set back, it is taken when it stands still."""
    monkeypatch.setattr(leader_election, "LEASE_SECONDS", 1.0)
    former = lead(raw)
    with raw.cursor() as cursor:
        cursor.execute("update oms.leaders set expires_at = expires_at - %s::interval", (by,))
    with serving(database, Idle) as (leads, _):
        wait_until(leads, "another process to lead", leader_election.LEASE_SECONDS + 3)
        with pytest.raises(psycopg2.DatabaseError, match=f"term {former.term} of act is over"):
            ledger.wake(raw)


def test_a_stopped_leader_is_followed_at_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that stops wakes the one that stands by, however rarely that looks."""
    with serving(database, Idle) as (leads, stop):
        wait_until(leads, "the first one to lead")
        monkeypatch.setattr(daemon, "STANDBY_SECONDS", 30.0)
        with serving(database, Idle) as (leads_next, _):
            wait_until(lambda: standing_by(database), "the second one to stand by")
            stop.ask()
            wait_until(leads_next, "the second one to lead", 15)


def test_a_leader_whose_connection_breaks_as_it_begins_leads_later(database: str, engine: sa.Engine) -> None:
    """What it asks by an engine before its first turn may break: that ends no process."""
    breaks = threading.Event()

    def begin(lease: Lease) -> Idle:
        if not breaks.is_set():
            breaks.set()
            with engine.connect() as connection:
                connection.exec_driver_sql("select pg_terminate_backend(pg_backend_pid())")
        began.set()
        return Idle(lease)

    began = threading.Event()
    with serving(database, begin):
        wait_until(began.is_set, "it to lead")
    assert breaks.is_set()


def test_a_killed_leader_is_replaced_when_its_session_ends(database: str, other: RawConnection) -> None:
    """The session that renews the lease ends with a killed process: nobody waits for the lease to run out."""
    with closing(ledger_connections.connect(database, "killed")) as connection:
        lead(connection)
    wait_until(lambda: leader_election.look(other, "act").vacant, "the lease to be vacant", 2)


def test_a_turn_that_hangs_loses_the_lease_and_a_long_one_keeps_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the server is at work on a statement the leader is well, however long it takes."""
    monkeypatch.setattr(renewal, "STUCK_SECONDS", 1.5)
    monkeypatch.setattr(renewal, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(leader_election, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(renewal, "LEASE_SECONDS", 1.0)
    let_go = threading.Event()
    with (
        serving(database, lambda lease: Idle(lease, "select pg_sleep(3)"), "long") as (long, _),
        serving(database, lambda lease: Hangs(let_go), "hangs") as (hangs, _),
    ):
        wait_until(lambda: long() and hangs(), "both to lead")
        began = time.monotonic()
        with serving(database, Idle, "hangs") as (leads_next, _):
            wait_until(leads_next, "another one to lead in place of the one that hangs", 6)
            assert time.monotonic() - began > 1.0
            with serving(database, Idle, "long") as (usurper, _):
                wait_until(lambda: time.monotonic() - began > 2.8, "the long turn to be past both limits")
                assert not usurper()
            let_go.set()


class Idle:
    """A daemon that has a statement run at each turn."""

    least_seconds = 0.01

    def __init__(self, lease: Lease, statement: str = "select") -> None:
        self.connection = lease.connection
        self.statement = statement

    def turn(self) -> float:
        """Run the statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(self.statement)
        return 0.1


class Hangs:
    """A daemon whose only turn does not end by itself."""

    least_seconds = 0.01

    def __init__(self, let_go: threading.Event) -> None:
        self.let_go = let_go

    def turn(self) -> float:
        """Wait for something that does not come."""
        self.let_go.wait(30)
        return 0.1


@contextmanager
def serving(
    database: str, make: Callable[[Lease], daemon.Daemon], name: str = "act"
) -> Iterator[tuple[Callable[[], bool], Stop]]:
    """A process that serves as a daemon, here as a thread; yields whether it has led, and its stop."""
    stop, led = Stop(), threading.Event()

    def noted(lease: Lease) -> daemon.Daemon:
        led.set()
        return make(lease)

    with tempfile.TemporaryDirectory() as home:
        thread = threading.Thread(target=daemon.serve, args=(name, database, [], noted, stop, Path(home)))
        thread.start()
        try:
            yield led.is_set, stop
        finally:
            stop.ask()
            thread.join(20)
            assert not thread.is_alive()


def standing_by(database: str) -> bool:
    query = "select count(*) from pg_stat_activity where application_name = 'hms act standby'"
    with ledger_connections.engine(database).connect() as connection:
        return bool(connection.scalar(sa.text(query + " and datname = current_database()")))
