"""Pairs of actors that meet on a row: who comes second waits, or passes by, and never undoes the first.

The winner holds its row in an open transaction; the contender runs in a thread of its own and is seen in
pg_stat_activity to wait for the lock before the winner commits. Nothing here sleeps or hopes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.database import connections as ledger_connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger, losses, reservations
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.undo import changes, undo
from tests.conftest import wait_until
from tests.oms.test_ledger import claim, look, order

WHO: dict[str, Any] = {"who": "boss", "reason": None}


class Contender(threading.Thread):
    """Runs `work` on a connection of its own, named so that its waiting can be seen."""

    def __init__(self, url: str, work: Callable[[RawConnection], Any]) -> None:
        super().__init__(daemon=True)
        self._connection = ledger_connections.connect(url, "contender")
        self._work = work
        self.answer: Any = None
        self.start()

    def run(self) -> None:
        self.answer = self._work(self._connection)

    def wait_for_lock(self, engine: sa.Engine) -> None:
        """Return when PostgreSQL says that the contender waits for a lock."""

        def waits() -> bool:
            with engine.connect() as connection:
                return bool(
                    connection.scalar(
                        sa.text(
                            "select count(*) from pg_stat_activity where application_name = 'contender'"
                            " and wait_event_type = 'Lock' and datname = current_database()"
                        )
                    )
                )

        wait_until(waits, "the contender to wait for the lock")

    def finish(self) -> Any:
        """Its answer, once it has one."""
        self.join(20)
        assert not self.is_alive()
        self._connection.close()
        return self.answer


@pytest.fixture
def winner(database: str) -> Iterator[RawConnection]:
    """A connection that commits when told to."""
    connection = ledger_connections.connect(database, "winner", autocommit=False)
    yield connection
    connection.close()


def running(engine: sa.Engine, raw: RawConnection, shop: Recipe, number: int = 1) -> Ticket:
    """The ticket of a job whose first step runs."""
    job = order(engine, shop, number)
    ledger.take(raw, "shop", 1)
    assert claim(raw, job.id, "pick") is not None
    return Ticket(job.id, 1, "pick")


def queued(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> Ticket:
    """The ticket of a job that stands in the window."""
    job = order(engine, shop)
    ledger.take(raw, "shop", 1)
    return Ticket(job.id, 1, "pick")


def report(ticket: Ticket) -> Completion:
    """The report of a finished first step."""
    return Completion(ticket, "1", None, 1, "shop", False)


def cancel(url: str, ticket: Ticket, *, now: bool) -> list[Ticket]:
    """Cancel through an engine of its own, as a person does."""
    engine = sa.create_engine(
        url.replace("postgresql://", "postgresql+psycopg2://"), connect_args={"application_name": "contender"}
    )
    with engine.begin() as connection:
        result = commands.cancel(connection, [ticket.job], now=now, **WHO)
    engine.dispose()
    return result


def test_claim_then_cancel(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """A cancel that comes second waits for the claim, then finds a running step and asks it to stop."""
    ticket = queued(engine, raw, shop)
    assert ledger.claim(winner, [(ticket, 60)], "w")
    contender = Contender(database, lambda _: cancel(database, ticket, now=False))
    contender.wait_for_lock(engine)
    winner.commit()
    assert contender.finish() == [ticket]
    assert look(engine, ticket.job).status == "running"


def test_cancel_then_claim(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """A claim that comes second waits for the cancel, then finds its ticket void."""
    ticket = queued(engine, raw, shop)
    with engine.connect() as connection:
        commands.cancel(connection, [ticket.job], **WHO)
        contender = Contender(database, lambda own: ledger.claim(own, [(ticket, 60)], "w"))
        contender.wait_for_lock(engine)
        connection.commit()
    assert contender.finish() == {}
    assert look(engine, ticket.job).status == "cancelled"


def test_complete_then_recovery(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """Recovery passes by a row whose worker is just reporting, and takes nothing back."""
    ticket = running(engine, raw, shop)
    assert ledger.complete(winner, [report(ticket)], "w")
    assert Contender(database, lambda own: losses.lose(own, [ticket], "test")).finish() == 0
    winner.commit()
    assert look(engine, ticket.job).step_name == "pack"


def test_recovery_then_complete(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """A report that comes while recovery takes the step back waits, and is then refused."""
    ticket = running(engine, raw, shop)
    assert losses.lose(winner, [ticket], "test") == 1
    contender = Contender(database, lambda own: ledger.complete(own, [report(ticket)], "w"))
    contender.wait_for_lock(engine)
    winner.commit()
    assert contender.finish() == {}
    assert (look(engine, ticket.job).status, look(engine, ticket.job).results) == ("waiting", {})


def test_complete_then_complete(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """Two reports of the same step: the second waits, and is refused."""
    ticket = running(engine, raw, shop)
    assert ledger.complete(winner, [report(ticket)], "w")
    contender = Contender(database, lambda own: ledger.complete(own, [report(ticket)], "w"))
    contender.wait_for_lock(engine)
    winner.commit()
    assert contender.finish() == {}


def test_claim_then_claim(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """A doubled message: the second claim waits for the first, and is void."""
    ticket = queued(engine, raw, shop)
    assert ledger.claim(winner, [(ticket, 60)], "w")
    contender = Contender(database, lambda own: ledger.claim(own, [(ticket, 60)], "v"))
    contender.wait_for_lock(engine)
    winner.commit()
    assert contender.finish() == {}
    assert look(engine, ticket.job).worker == "w"


def test_two_dispatchers(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """Two dispatchers never take the same job: the second passes by what the first holds."""
    jobs = [order(engine, shop, number).id for number in range(1, 7)]
    first = [taken.job for taken in ledger.take(winner, "shop", 3)]
    second = [taken.job for taken in Contender(database, lambda own: ledger.take(own, "shop", 6)).finish()]
    winner.commit()
    assert (first, second) == (jobs[:3], jobs[3:])


def test_two_reserves(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, returns: Recipe
) -> None:
    """Two agents never reserve the same job."""
    from hms_act import accept

    for _ in range(2):
        with engine.begin() as connection:
            job = accept.start_job(connection, returns, {}, requested_by="test").job
        ticket = Ticket(job.id, 1, "receive")
        ledger.take(raw, "returns", 1)
        ledger.claim(raw, [(ticket, 60)], "w")
        ledger.complete(raw, [completions.of(ticket, returns, Done(), by_agent=False)], "w")
    first = reservations.reserve(winner, "returns-desk", agent="ann")
    second = Contender(database, lambda own: reservations.reserve(own, "returns-desk", agent="bob")).finish()
    winner.commit()
    assert first is not None
    assert {first.ticket.job, second.ticket.job} == {1, 2}


def test_take_then_promote(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """A job promoted while it is being taken is called back from the window and is the next one again."""
    job = order(engine, shop)
    assert [taken.job for taken in ledger.take(winner, "shop", 1)] == [job.id]

    def promote(_: RawConnection) -> list[int]:
        own = sa.create_engine(
            database.replace("postgresql://", "postgresql+psycopg2://"),
            connect_args={"application_name": "contender"},
        )
        with own.begin() as connection:
            return commands.promote(connection, job.id, **WHO)

    contender = Contender(database, promote)
    contender.wait_for_lock(engine)
    winner.commit()
    assert contender.finish() == [job.id]
    assert claim(raw, job.id, "pick") is None
    assert [(taken.job, taken.attempt) for taken in ledger.take(raw, "shop", 1)] == [(job.id, 2)]


def test_pause_then_claim(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """A ticket claimed while its queue is being paused is void once the pause is there."""
    ticket = queued(engine, raw, shop)
    with engine.connect() as connection:
        assert commands.pause(connection, "shop", **WHO) == 1
        contender = Contender(database, lambda own: ledger.claim(own, [(ticket, 60)], "w"))
        contender.wait_for_lock(engine)
        connection.commit()
    assert contender.finish() == {}
    assert look(engine, ticket.job).status == "waiting"


def person(url: str, change: Callable[[sa.Connection], Any]) -> Callable[[RawConnection], Any]:
    """Do something through an engine of its own, as a person does, in a contender's thread."""

    def work(_: RawConnection) -> Any:
        own = sa.create_engine(
            url.replace("postgresql://", "postgresql+psycopg2://"),
            connect_args={"application_name": "contender"},
        )
        with own.begin() as connection:
            changed = change(connection)
        own.dispose()
        return changed

    return work


def start(connection: sa.Connection, shop: Recipe) -> tuple[int, bool, int | None]:
    """Start order 1: which job it is, whether it is new, and which one it replaces."""
    from hms_act import accept

    started = accept.start_job(connection, shop, {"number": 1}, requested_by="test")
    return started.job.id, started.created, started.job.replaces


def cancelled(engine: sa.Engine, shop: Recipe) -> int:
    """The id of a cancelled job."""
    job = order(engine, shop).id
    with engine.begin() as connection:
        commands.cancel(connection, [job], **WHO)
    return job


def test_start_then_start_with_a_cancelled_jobs_key(engine: sa.Engine, database: str, shop: Recipe) -> None:
    """Of two starts with the key of a cancelled job the second waits, and gets the job of the first."""
    old = cancelled(engine, shop)
    with engine.connect() as connection:
        first = start(connection, shop)
        contender = Contender(database, person(database, lambda own: start(own, shop)))
        contender.wait_for_lock(engine)
        connection.commit()
    assert first[1:] == (True, old)
    assert contender.finish() == (first[0], False, old)


def test_start_then_reinstate(engine: sa.Engine, database: str, shop: Recipe) -> None:
    """A reinstatement waits for a start with the same key, and then leaves the job cancelled."""
    old = cancelled(engine, shop)
    with engine.connect() as connection:
        new, *_ = start(connection, shop)
        work = person(database, lambda own: commands.reinstate(own, [old], **WHO))
        contender = Contender(database, work)
        contender.wait_for_lock(engine)
        connection.commit()
    assert contender.finish() == []
    with engine.connect() as connection:
        assert commands.key_holders(connection, [old]) == {old: new}


def test_reinstate_then_start(engine: sa.Engine, database: str, shop: Recipe) -> None:
    """A start with the key of a job that is just being reinstated waits, and gets that job."""
    old = cancelled(engine, shop)
    with engine.connect() as connection:
        assert commands.reinstate(connection, [old], **WHO) == [old]
        contender = Contender(database, person(database, lambda own: start(own, shop)))
        contender.wait_for_lock(engine)
        connection.commit()
    assert contender.finish() == (old, False, None)


def test_cancel_then_start(engine: sa.Engine, database: str, shop: Recipe) -> None:
    """A start with the key of a job that is just being cancelled waits, and makes one that refers to it."""
    old = order(engine, shop).id
    with engine.connect() as connection:
        commands.cancel(connection, [old], **WHO)
        contender = Contender(database, person(database, lambda own: start(own, shop)))
        contender.wait_for_lock(engine)
        connection.commit()
    new, created, replaces = contender.finish()
    assert (new != old, created, replaces) == (True, True, old)


def test_undo_then_undo(engine: sa.Engine, database: str, shop: Recipe) -> None:
    """Of two who undo one change the second waits, and hears that it was undone already."""
    job = order(engine, shop).id
    with engine.begin() as connection:
        change = changes.begin(connection, "cancel", who="boss")
        commands.cancel_jobs(connection, [job], **WHO, change=change)

    def again(own: sa.Connection) -> str:
        with pytest.raises(undo.NotUndoable) as refused:
            undo.undo(own, change, who="boss", manager=False)
        return str(refused.value)

    with engine.connect() as connection:
        undo.undo(connection, change, who="boss", manager=False)
        contender = Contender(database, person(database, again))
        contender.wait_for_lock(engine)
        connection.commit()
    assert "undone already" in contender.finish()
    assert look(engine, job).attempt == 2


def test_claim_then_undo(
    engine: sa.Engine, raw: RawConnection, winner: RawConnection, database: str, shop: Recipe
) -> None:
    """Undoing a promotion waits for a claim, and then leaves a job that has started where it is."""
    job = order(engine, shop).id
    with engine.begin() as connection:
        change = changes.begin(connection, "promote", who="boss")
        commands.promote(connection, job, **WHO, change=change)
    ledger.take(raw, "shop", 1)
    assert ledger.claim(winner, [(Ticket(job, 1, "pick"), 60)], "w")

    def take_back(own: sa.Connection) -> str:
        with pytest.raises(undo.NotUndoable) as refused:
            undo.undo(own, change, who="boss", manager=False)
        return str(refused.value)

    contender = Contender(database, person(database, take_back))
    contender.wait_for_lock(engine)
    winner.commit()
    assert "1 started already" in contender.finish()
