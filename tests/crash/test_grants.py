"""The least rights of each kind of process: a whole day passes with them, and no more may be done."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from hms_floor.cli.installation import db
from hms_oms import grants
from hms_oms.database import connections
from hms_oms.jobs import workers
from hms_oms.recipes import hooks
from hms_oms.retention import walk
from hms_oms.retention.pruner import Pruner, added
from hms_oms.retention.rules import Keep
from hms_oms.retention.walk import Counts
from tests.api.conftest import ApiServer, start
from tests.conftest import Programs, wait_until
from tests.crash.test_pooler import FOLDER, KNOWN, accept, ended
from tests.support import pooler

APPLICATIONS = 20
PACKAGES = tuple(hooks.packages(KNOWN.values()).values())


@pytest.fixture(scope="module")
def ledger() -> Iterator[str]:
    """The URL of a migrated ledger by its owner, who is no superuser, with a role for each process."""
    with pooler.postgres() as url:
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("create role keeper login createrole")
                cursor.execute("create database hms owner keeper")
        owner = url.replace("hms@", "keeper@").replace("/postgres", "/hms")
        db.prepare(owner, KNOWN.values())
        with closing(connections.connect(owner, "test")) as connection, connection.cursor() as cursor:
            for role in grants.ROLES:
                cursor.execute(f"create role hms_{role} login")
        for role in grants.ROLES:
            output = asked(owner, role, "--apply")
            assert output.exit_code == 0, output.output
        yield owner
        connections.engine(owner).dispose()


def asked(url: str, *words: str) -> Result:
    """What `hms db grants` says."""
    environment = {"HMS_DATABASE_URL": url, "HMS_BROKER_URL": "redis://127.0.0.1:1/0"}
    return CliRunner().invoke(db.db, ["grants", *words], env=environment)


def by(ledger: str, role: str) -> str:
    """The URL of the ledger for one kind of process."""
    return ledger.replace("keeper@", f"hms_{role}@")


def test_a_day_passes_with_the_least_rights(
    ledger: str, broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process has a role of its own: a cycle ends, texts go out, and people change things by the API."""
    programs = Programs(by(ledger, "worker"), broker, tmp_path)
    programs.environment["HMS_RECIPES"] = str(FOLDER)
    opened: ApiServer | None = None
    try:
        programs.start("act", "-m", "hms_floor", "act", "run", HMS_DATABASE_URL=by(ledger, "dispatcher"))
        programs.start("ops", "-m", "hms_floor", "ops", "run", HMS_DATABASE_URL=by(ledger, "watch"))
        programs.worker("w", "threads", 8)
        (tmp_path / "api").mkdir()
        opened = start(by(ledger, "api"), broker, tmp_path / "api", HMS_RECIPES=str(FOLDER))
        batch = accept(by(ledger, "api"), APPLICATIONS)
        changes(opened)
        outcomes = wait_until(lambda: ended(ledger, batch), "the cycle to end", 60)
        assert {status for status, _ in outcomes} == {"done"}
        wait_until(lambda: not unsent(ledger), "the texts to be handed over", 60)
        wait_until(lambda: measured(by(ledger, "reader")), "the watch to have measured")
        wait_until(lambda: indexed(ledger), "the search to have its index")
        programs.processes[-1].terminate()
        programs.processes[-1].wait(30)
        for name in ("act", "ops", "w"):
            assert "permission denied" not in programs.said(name), programs.said(name)
        assert "permission denied" not in (tmp_path / "api/floor.log").read_text()
        assert pruned(by(ledger, "dispatcher"), monkeypatch)["jobs"] > 0
    finally:
        if opened is not None:
            opened.process.kill()
            opened.process.wait()
        programs.end()
        for role in grants.ROLES:
            connections.engine(by(ledger, role)).dispose()


def indexed(url: str) -> bool:
    """Whether the index has the words of all jobs."""
    with connections.engine(url).connect() as connection:
        asked = "select exists (select from oms.job_search) and not exists (select from oms.unindexed_words)"
        return bool(connection.scalar(sa.text(asked)))


def pruned(url: str, monkeypatch: pytest.MonkeyPatch) -> Counts:
    """What a pruner removes that keeps nothing of any job, except for its key."""
    monkeypatch.setattr(walk, "SETTLED_SECONDS", 0.0)
    none, counts = timedelta(0), Counts()
    pruner = Pruner(Keep(none, none, none, none, none, None), none)
    for _ in range(500):
        with connections.engine(url).begin() as connection:
            step = pruner.remove_next(connection)
        counts = added(counts, step.counts)
        if counts.get("jobs") and step.over:
            break
        time.sleep(min(step.pause, 0.1))
    return counts


def changes(api_server: ApiServer) -> None:
    """What people do on a day, each with the answer that is a success."""
    reason = {"reason": "test"}
    soon = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    for method, path, body in (
        ("POST", "/queues/farm-grant/pause", reason),
        ("POST", "/queues/farm-grant/resume", reason),
        ("POST", "/queues/farm-grant/limit", {"startsPerMinute": 6000, **reason}),
        ("PUT", "/queues/farm-grant/sla", {"minutes": 50, **reason}),
        ("POST", "/silences", {"endsAt": soon, **reason}),
        ("POST", "/badges", {"actor": "bob", "roles": ["viewer"], "hours": 1}),
        ("GET", "/metrics", None),
        ("GET", "/queues", None),
        ("GET", "/jobs", None),
        ("GET", "/jobs/job-1/explain", None),
        ("GET", "/audit", None),
    ):
        answer = api_server.ask(method, path, body)
        assert answer.status_code < 300, (path, answer.text)


def test_the_dispatcher_ends_the_sessions_of_lost_workers(ledger: str) -> None:
    """The workers have another role; their transactions are ended all the same."""
    with (
        closing(connections.connect(by(ledger, "worker"), workers.session_name("step", "w/1/t"))) as lost,
        closing(connections.connect(by(ledger, "dispatcher"), "test")) as dispatcher,
        connections.engine(ledger).begin() as connection,
        lost.cursor() as cursor,
    ):
        connection.exec_driver_sql(
            "insert into oms.workers (id, name, host, pid, pool, slots, queues, steps, tickets, started_at,"
            " beat_at) values ('w/1/t', 'w', 'h', 1, 'threads', 1, '{}', '{}', '{}', oms.now(),"
            " oms.now() - interval '1 hour')"
        )
        connection.commit()
        cursor.execute("begin; lock table oms.jobs in row share mode")
        assert workers.end_sessions(dispatcher) == 1
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("select 1")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        (
            "worker",
            "insert into oms.slas (queue, minutes, set_by, reason) values ('farm-grant', 1, 'w', 'w')",
        ),
        ("worker", "select * from oms.badges"),
        ("worker", "delete from farm.inspectors"),
        ("watch", "select * from farm.inspectors"),
        ("dispatcher", "update oms.job_events set fact = 'x'"),
        ("dispatcher", "update oms.audit set actor = 'x'"),
        ("dispatcher", "update oms.holds set ended_at = oms.now()"),
        ("watch", "delete from oms.job_events"),
        ("worker", "select oms.drop_event_month('job_events_first')"),
        ("api", "select oms.add_event_months(now() + interval '1 year')"),
        ("dispatcher", "delete from oms.job_events_first"),
        ("dispatcher", "insert into oms.schedules (name) values ('x')"),
        ("watch", "insert into oms.jobs (type) values ('x')"),
        ("watch", "update oms.jobs set priority = 1"),
        ("watch", "select * from oms.upload_pieces"),
        ("api", "update oms.job_events set fact = 'x'"),
        ("api", "delete from oms.audit"),
        ("api", "truncate oms.jobs"),
        ("api", "create table oms.more (id int)"),
        ("reader", "delete from oms.jobs"),
        ("reader", "select * from oms.upload_pieces"),
    ],
)
def test_no_more_may_be_done(ledger: str, role: str, statement: str) -> None:
    """What a process does not need is refused by PostgreSQL itself."""
    with (
        closing(connections.connect(by(ledger, role), "test")) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(statement)


def test_a_role_has_to_be_there(ledger: str) -> None:
    """Its absence is told with the statement that makes it; nothing is granted to anybody else."""
    output = asked(ledger, "worker", "--to", "clerk", "--apply")
    assert output.exit_code == 1
    assert "create role \"clerk\" login password '...'" in output.output


def test_rights_that_a_release_needs_no_longer_are_taken_back(ledger: str) -> None:
    """Applying again leaves exactly what the code names."""
    with closing(connections.connect(ledger, "test")) as connection, connection.cursor() as cursor:
        cursor.execute("grant delete on oms.jobs to hms_reader")
        assert asked(ledger, "reader", "--apply").exit_code == 0
        cursor.execute("select has_table_privilege('hms_reader', 'oms.jobs', 'delete')")
        assert cursor.fetchone() == (False,)


def test_every_table_is_somebodys(ledger: str) -> None:
    """A new table has to be given to the processes that use it; histories may only be added to.

    What is over its time the dispatcher removes from two of them.
    """
    with connections.engine(ledger).connect() as connection:
        tables = set(sa.inspect(connection).get_table_names("public"))
        for schema in grants.schemas(PACKAGES):
            looked_up = sa.inspect(connection)
            names = [*looked_up.get_table_names(schema), *looked_up.get_view_names(schema)]
            tables |= {f"{schema}.{name}" for name in names}
        # Rights on a table hold for its parts.
        parts = set(connection.scalars(sa.text("select inhrelid::regclass::text from pg_inherits")))
        query = "select tgrelid::regclass::text from pg_trigger where tgname like '%_append_only'"
        histories = set(connection.scalars(sa.text(query))) - parts
    roles = grants.roles(PACKAGES)
    given = {table for rights in roles.values() for table in rights.tables}
    assert given == {table for table in tables if "." in table} - parts
    changed = {
        (role, table, right)
        for role, rights in roles.items()
        for table, allowed in rights.tables.items()
        for right in re.findall("update|delete", allowed)
        if table in histories
    }
    assert histories
    assert changed == {("dispatcher", "oms.job_events", "delete"), ("dispatcher", "oms.audit", "delete")}


def unsent(ledger: str) -> int:
    """How many texts no provider has taken yet."""
    query = "select count(*) from oms.messages where state in ('pending', 'sending')"
    with connections.engine(ledger).connect() as connection:
        return int(connection.scalar(sa.text(query)) or 0)


def measured(url: str) -> int:
    """How many metrics there are, read by somebody who only looks."""
    with connections.engine(url).connect() as connection:
        return int(connection.scalar(sa.text("select count(*) from ops.metrics")) or 0)
