"""What the server is told of sessions: a step's limits, and whose transactions are ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database import connections as ledger_connections
from hms_oms.database import sessions
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger, losses, workers
from hms_oms.jobs.queries import read
from hms_oms.jobs.tickets import Ticket
from hms_oms.jobs.workers import Beat
from hms_oms.recipes.recipes import Recipe


def setting(connection: RawConnection, name: str) -> str:
    """A setting of a session, as it is now."""
    with connection.cursor() as cursor:
        cursor.execute("select current_setting(%s)", (name,))
        row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def test_a_step_is_bounded_by_its_limit_and_no_longer(database: str) -> None:
    """Statements, locks and pauses end with the step's limit, after a rollback too; the next has its own."""
    with closing(ledger_connections.connect(database, "step", autocommit=False)) as connection:
        sessions.bound(connection, 0.2)
        assert setting(connection, "lock_timeout") == "200ms"
        assert setting(connection, "idle_in_transaction_session_timeout") == "5200ms"
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.QueryCanceled):
            cursor.execute("select pg_sleep(5)")
        connection.rollback()
        assert setting(connection, "statement_timeout") == "200ms"
        connection.rollback()
        sessions.bound(connection, 0.3)
        connection.rollback()
        assert setting(connection, "statement_timeout") == "300ms"


def test_a_step_after_one_whose_limit_struck_writes_in_a_transaction(database: str) -> None:
    """However the session was left while it was told its settings: what a step writes can be undone."""
    with closing(ledger_connections.connect(database, "step", autocommit=False)) as connection:
        for limit in (1.0, 1.0, 2.0):
            connection.autocommit = True
            sessions.bound(connection, limit)
            with connection.cursor() as cursor:
                cursor.execute("create table public.written ()")
            connection.rollback()
            with connection.cursor() as cursor:
                cursor.execute("select to_regclass('public.written')")
                assert cursor.fetchone() == (None,)
            connection.rollback()


def test_a_session_keeps_the_limit_of_steps_that_follow_closely(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step like the one before costs no question; after a while the session is asked again."""
    with closing(ledger_connections.connect(database, "step", autocommit=False)) as connection:
        sessions.bound(connection, 1.0)
        said = connection.limit
        sessions.bound(connection, 1.0)
        assert connection.limit == said
        monkeypatch.setattr(sessions, "SAID_AGAIN_SECONDS", 0.0)
        sessions.bound(connection, 1.0)
        assert connection.limit != said


def test_a_session_that_has_ended_is_noticed_before_a_step_writes(database: str) -> None:
    """It is not lent to another step, however lately it was asked: that step would have to run again."""
    with closing(ledger_connections.connect(database, "step", autocommit=False)) as connection:
        sessions.bound(connection, 1.0)
        with closing(ledger_connections.connect(database, "end")) as other, other.cursor() as cursor:
            cursor.execute("select pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        with pytest.raises(psycopg2.OperationalError):
            sessions.bound(connection, 1.0)


def test_only_what_lost_workers_have_open_is_ended(
    database: str, raw: RawConnection, forward: Callable[[timedelta], None]
) -> None:
    """The transaction of a worker that is not heard any more ends; a live one's and an idle session stay."""
    for name in ("lost", "live"):
        workers.beat(raw, _heartbeat(name))
    forward(timedelta(seconds=workers.GONE_SECONDS + 1))
    workers.beat(raw, _heartbeat("live"))
    named = {
        (purpose, worker): ledger_connections.connect(
            database, workers.session_name(purpose, f"{worker}/1"), autocommit=purpose == "claims"
        )
        for purpose in ("effects", "claims")
        for worker in ("lost", "live")
    }
    for connection in named.values():
        setting(connection, "lock_timeout")
    assert workers.end_sessions(raw) == 1
    with pytest.raises(psycopg2.OperationalError):
        setting(named["effects", "lost"], "lock_timeout")
    for connection in named.values():
        if not connection.closed:
            assert setting(connection, "lock_timeout") == "0"
        connection.close()


def test_what_is_nobodys_failure_never_fails_a_job(
    raw: RawConnection, engine: sa.Engine, shop: Recipe
) -> None:
    """Given back for a lost connection again and again, a job waits for its next run; lost workers count."""
    with engine.begin() as connection:
        job = accept.start_job(connection, shop, {"number": 1}, requested_by="test").job.id
    statuses = []
    nobodys: list[losses.Blame] = ["none"] * 2 * losses.POISON
    steps: list[losses.Blame] = ["step"] * losses.POISON
    for blame in (*nobodys, *steps):
        [taken] = ledger.take(raw, "shop", 1)
        ticket = Ticket(job, taken.attempt, shop.steps[0].name)
        assert ledger.claim(raw, [(ticket, 60.0)], "w/1")
        assert losses.lose(raw, [ticket], "test", blame=blame) == 1
        with engine.connect() as connection:
            statuses.append(read.get(connection, job).status)
    assert statuses == [*["waiting"] * (3 * losses.POISON - 1), "failed"]


@pytest.mark.parametrize(
    ("code", "gone", "passing"),
    [
        ("57P01", True, True),
        ("55P03", False, True),
        ("57014", False, True),
        ("53100", False, True),
        ("40P01", False, True),
        ("23505", False, False),
        ("LEASE", False, False),
    ],
)
def test_what_passes_is_told_from_what_is_wrong(
    raw: RawConnection, code: str, gone: bool, passing: bool
) -> None:
    """A server that is gone, busy or full may take the same later; a statement that is wrong stays wrong."""
    with raw.cursor() as cursor, pytest.raises(psycopg2.Error) as raised:
        cursor.execute(f"do $$ begin raise exception using errcode = '{code}'; end $$")
    assert (ledger_connections.is_gone(raised.value), ledger_connections.is_passing(raised.value)) == (
        gone,
        passing,
    )


def _heartbeat(name: str) -> Beat:
    return Beat(f"{name}/1", name, "h", 1, "threads", 1, [], [], [], 0.0, 0)


def test_a_forked_child_has_sessions_of_its_own(database: str) -> None:
    """A pool's child that takes the place of another neither uses nor ends what its parent has open."""
    engine = ledger_connections.engine(database)
    mine = _session(engine)
    receives, sends = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(sends, str(_session(engine)).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(sends)
    with os.fdopen(receives) as said:
        assert int(said.read()) != mine
    assert _session(engine) == mine
    engine.dispose()


def _session(engine: sa.Engine) -> int:
    """The session of the server that an engine uses now."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("select pg_backend_pid()")))
