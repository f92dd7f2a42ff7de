"""Through PgBouncer: a whole cycle, leading, and what `hms check` says of the way to the database."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path

import psycopg2.errors
import pytest
import sqlalchemy as sa

from hms_act import cycle
from hms_floor.cli.installation import db
from hms_floor.cli.installation.checks import sessions as check_sessions
from hms_oms.database import claiming, connections, sessions
from hms_oms.documents.cycles import Cycle
from hms_oms.jobs import ledger
from hms_oms.recipes import recipes
from tests.conftest import Programs, wait_until
from tests.support import pooler
from tests.support.programs import run_hms
from workers.farm_grant import sample

FOLDER = Path(recipes.__file__).parents[2] / "workers/recipes"
KNOWN = recipes.load_folder(FOLDER)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL that is reached by TCP."""
    with pooler.postgres() as url:
        yield url


@pytest.fixture
def direct(server: str) -> Iterator[str]:
    """The URL of an empty database there."""
    with closing(psycopg2.connect(server)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("drop database if exists hms with (force)")
            cursor.execute("create database hms")
    url = server.replace("/postgres", "/hms")
    yield url
    connections.engine(url).dispose()


@pytest.mark.parametrize(
    ("mode", "applications"),
    [
        ("transaction", 60),
        pytest.param("transaction", 600, marks=pytest.mark.drill),
        pytest.param("session", 60, marks=pytest.mark.drill),
    ],
)
def test_a_cycle_through_a_pooler(
    direct: str, broker: str, tmp_path: Path, mode: str, applications: int
) -> None:
    """Every application ends as it does without one, and each accepted one has its inspector, once."""
    with pooler.pgbouncer(direct, mode) as url:
        db.prepare(url, KNOWN.values())
        programs = Programs(url, broker, tmp_path)
        programs.environment["HMS_RECIPES"] = str(FOLDER)
        try:
            programs.dispatcher()
            for name in ("first", "second"):
                programs.worker(name, "threads", 8)
            batch = accept(url, applications)
            outcomes = wait_until(lambda: ended(url, batch), "the cycle to end", 60)
            assert "HMS_DATABASE_DIRECT_URL" in programs.said("act")
        finally:
            programs.end()
            connections.engine(url).dispose()
    with connections.engine(direct).connect() as connection:
        rejected = connection.scalar(
            sa.text("select count(*) from oms.jobs where (results -> 'validate' ->> 'accepted') = 'false'")
        )
        assigned = connection.scalar(sa.text("select count(*) from farm.assignments"))
        visits = connection.scalar(sa.text("select sum(open_visits) from farm.inspectors"))
        texts = connection.scalar(sa.text("select count(*) from oms.messages"))
    assert outcomes == {("done", "rejected"): rejected, ("done", "assigned"): applications - (rejected or 0)}
    assert 0 < (rejected or 0) < applications / 4
    assert assigned == visits == outcomes["done", "assigned"]
    assert texts == applications


def test_check_tries_the_way_of_the_workers(direct: str, broker: str, tmp_path: Path) -> None:
    """Through a pooler claims work and nothing is heard; with a way around it, both do."""
    with pooler.pgbouncer(direct, "transaction") as url:
        db.prepare(url, KNOWN.values())
        result = check(url, broker, tmp_path)
        assert result["claims"]["detail"] == "a worker can claim steps, through a pooler"
        assert result["news"]["light"] == "warn"
        assert "HMS_DATABASE_DIRECT_URL" in result["news"]["advice"]
        assert check(url, broker, tmp_path, direct)["news"]["light"] == "ok"
        elsewhere = direct.replace("/hms", "/postgres")
        assert check(url, broker, tmp_path, elsewhere)["news"]["light"] == "bad"
        connections.engine(url).dispose()


def test_a_pooler_that_loses_prepared_statements_is_named() -> None:
    """The words say what is wrong, not that the database is away."""

    class Lost(psycopg2.errors.InvalidSqlStatementName):
        pgcode = "26000"

    words = check_sessions.fault(Lost('prepared statement "hms_claim" does not exist'))
    assert words.startswith("prepared statements do not survive this pooler")


def test_statements_stay_prepared_in_the_sessions_that_a_pooler_lends(direct: str) -> None:
    """Each is planned once in a session of the server, whichever client of the pooler is lent it."""
    db.prepare(direct, KNOWN.values())
    prepared = "select count(*) from pg_prepared_statements where name like 'hms_claim_%'"
    with pooler.pgbouncer(direct, "transaction") as url, ExitStack() as clients:
        first, second = (clients.enter_context(closing(connections.connect(url, "test"))) for _ in range(2))
        step = clients.enter_context(closing(connections.connect(url, "test", autocommit=False)))
        for connection in (first, first, second):
            ledger.claim(connection, [], "test")
        with first.cursor() as cursor:
            cursor.execute(prepared)
            assert cursor.fetchone() == (1,)
        sessions.bound(step, 5)
        # This one's transaction keeps the session, so that the others are lent a second one.
        assert step.prepared is not None
        ledger.claim(step, [], "test")
        ledger.claim(first, [], "test")
        ledger.claim(second, [], "test")
        step.commit()
        # Of the next transaction's session nothing is known before it has been asked.
        ledger.claim(step, [], "test")
        assert step.prepared is None
        step.rollback()


def test_the_server_notices_silent_clients(direct: str) -> None:
    """Keepalives are set at the server's side of every session; at a pooler nothing is left in a session."""
    asked = "select setting from pg_settings where name = any(%s) order by name"
    names = ["tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout"]
    with closing(connections.connect(direct, "test")) as connection, connection.cursor() as cursor:
        cursor.execute(asked, (names,))
        assert [setting for (setting,) in cursor.fetchall()] == ["3", "3", "1", "6000"]
    with connections.engine(direct).connect() as people:
        assert people.exec_driver_sql("show tcp_keepalives_idle").scalar() == "3"
    with (
        pooler.pgbouncer(direct, "transaction") as url,
        closing(connections.connect(url, "test", claiming.CLAIMING)) as connection,
        connection.cursor() as cursor,
    ):
        assert connection.pooled
        cursor.execute(f"{connection.preamble} select current_setting('synchronous_commit')")
        assert cursor.fetchone() == ("off",)
        cursor.execute("select current_setting('synchronous_commit')")
        assert cursor.fetchone() == ("on",)


def accept(url: str, applications: int) -> int:
    """Accept a file of applications; the number of its batch."""
    text = io.StringIO()
    sample.write(text, applications, 7, date(2026, 11, 1))
    stream = io.BytesIO(text.getvalue().encode())
    recipe = KNOWN["farm:grant:v1"]
    output = list(
        cycle.accept_file(connections.engine(url), recipe, stream, name="test", requested_by="test")
    )
    batch = next(item for item in reversed(output) if isinstance(item, Cycle))
    return batch.id


def ended(url: str, batch: int) -> Counter[tuple[str, str]] | None:
    """How the jobs of a batch have ended; None while one is open."""
    query = "select status, outcome, count(*) as number from oms.jobs where batch_id = :batch group by 1, 2"
    with connections.engine(url).connect() as connection:
        rows = connection.execute(sa.text(query), {"batch": batch}).all()
    result = Counter({(row.status, row.outcome): row.number for row in rows})
    return None if {status for status, _ in result} & {"waiting", "queued", "running"} else result


def check(url: str, broker: str, home: Path, direct: str | None = None) -> dict[str, dict[str, str]]:
    """What `hms check` finds, by name."""
    programs = Programs(url, broker, home)
    environment = programs.environment | ({"HMS_DATABASE_DIRECT_URL": direct} if direct else {})
    environment["HMS_RECIPES"] = str(FOLDER)
    done = run_hms(["check", "--json"], environment)
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
