"""A backup is made while things are under way; they are taken up again from it, and nothing doubles."""

from __future__ import annotations

import json
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from hms_act import accept
from hms_floor import cli
from hms_floor.local import embedded
from hms_oms.database import connections as ledger_connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from hms_oms.jobs.tickets import Ticket
from hms_oms.messages import delivery, outbox
from hms_oms.messages.records import OutgoingText
from hms_oms.recipes.recipes import Recipe
from tests.conftest import RECIPES, drop
from tests.support.clusters import admin, sibling

PHONE = "+12025550142"
Run = Callable[..., Result]


@pytest.fixture
def empty(servers: embedded.Servers) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    name = f"hms_{uuid.uuid4().hex[:12]}"
    admin(servers, f"create database {name}")
    url = sibling(servers, name)
    yield url
    ledger_connections.engine(url).dispose()
    drop(servers, name)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, broker: str, tmp_path: Path) -> Run:
    """Run `hms db ...` on a database."""
    monkeypatch.setenv("HMS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HMS_BROKER_URL", broker)
    monkeypatch.setenv("HMS_RECIPES", str(RECIPES))

    def call(url: str, *words: str) -> Result:
        monkeypatch.setenv("HMS_DATABASE_URL", url)
        wide = {"COLUMNS": "240"}
        return CliRunner().invoke(cli.main, ["--timezone", "UTC", "db", *words], env=wide)

    return call


@pytest.fixture
def under_way(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> list[int]:
    """A job that runs, one in the window and one that waits; texts that wait, one that is being sent."""
    with engine.begin() as connection:
        numbers = [
            accept.start_job(connection, shop, {"number": number}, requested_by="test").job.id
            for number in (1, 2, 3)
        ]
    ledger.take(raw, "shop", 2)
    ticket = Ticket(numbers[0], 1, "pick")
    assert ledger.claim(raw, [(ticket, 600.0)], "w@host/7/ab").get(ticket) is not None
    for name in ("waits", "goes"):
        outbox.put(raw, token=name, job=numbers[0], kind="applicant", recipient=PHONE, body=name)
    with engine.begin() as connection:
        parts = {"incident": None, "kind": "test", "reference": None, "recipient": PHONE, "body": "page"}
        outbox.put_page(connection, token="page", **parts)  # type: ignore[arg-type]
        connection.execute(
            sa.text("insert into oms.batches (type, name, requested_by) values ('t', 'f', 'a')")
        )
    [goes] = [text for text in delivery.waiting_texts(raw, 10) if _text(engine, "goes")["id"] == text.id]
    delivery.begin(raw, [OutgoingText(goes.id, goes.fence)], "twilio")
    return numbers


def test_a_restored_ledger_goes_on(
    run: Run, database: str, empty: str, under_way: list[int], tmp_path: Path
) -> None:
    """Steps run again and are charged to nobody, texts that may have gone are in doubt."""
    made = run(database, "backup", str(tmp_path))
    assert made.exit_code == 0, made.output
    [file] = tmp_path.glob("hms-*.dump")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "is there already" in run(database, "backup", str(file)).output

    before = json.loads(run(database, "restore-check", "--json").output)
    assert before["restore"] is None
    done = run(empty, "restore", str(file))
    assert done.exit_code == 0, done.output
    assert "1 steps and 1 tickets" in done.output
    check = run(empty, "restore-check", "--json")
    answer = json.loads(check.output)
    assert (check.exit_code, answer["complete"]) == (9, False)
    assert answer["restore"]["backupAt"] is not None
    result = answer["restore"]["found"]
    assert (result["open"], result["queued"], result["running"], result["reading"]) == (3, 1, 1, 1)
    assert (result["texts"], result["pages"], result["attempts"], result["unknown"]) == (2, 1, 1, 0)
    assert (answer["now"]["queued"], answer["now"]["running"], answer["now"]["unknown"]) == (0, 0, 2)

    engine = ledger_connections.engine(empty)
    with engine.connect() as connection:
        jobs = connection.execute(sa.text("select status, attempt, losses from oms.jobs order by id")).all()
    assert jobs == [("waiting", 2, 0), ("waiting", 2, 0), ("waiting", 1, 0)]
    for token in ("waits", "goes"):
        text = _text(engine, token)
        assert (text["state"], text["attempts"], text["handed_over"]) == ("unknown", 1, True)
    assert (_text(engine, "page")["state"], _text(engine, "page")["resend"]) == ("pending", True)
    assert "has a ledger already" in run(empty, "restore", str(file)).output


def test_texts_of_jobs_from_before_a_restore_are_asked_for_first(
    run: Run, engine: sa.Engine, database: str, under_way: list[int], shop: Recipe
) -> None:
    """A step may have sent its text after the backup; those of later jobs are not in doubt."""
    assert run(database, "restored").exit_code == 0
    with engine.begin() as connection:
        later = accept.start_job(connection, shop, {"number": 9}, requested_by="test").job.id
    assert later == 1_000_001
    connection = ledger_connections.connect(database, "test")
    try:
        for token, job in (("again", under_way[0]), ("new", later), ("of no job", None)):
            for _ in range(2):
                outbox.put(connection, token=token, job=job, kind="applicant", recipient=PHONE, body=token)
        delivery.expire(connection)
        asked = [ask.text.token for ask in delivery.to_ask(connection, page=False, count=10)]
    finally:
        connection.close()
    assert sorted(asked) == ["again", "goes", "waits"]
    assert (_text(engine, "new")["state"], _text(engine, "of no job")["state"]) == ("pending", "pending")
    with engine.connect() as reading:
        started = reading.scalar(
            sa.text(
                "select attempt.started_at = job.created_at from oms.message_attempts as attempt"
                " join oms.messages as message on message.id = attempt.message_id"
                " join oms.jobs as job on job.id = message.job_id where message.token = 'again'"
            )
        )
    assert started  # else the provider's copy would be taken for an older one of somebody else


def test_what_redis_has_lost_is_counted(run: Run, database: str, under_way: list[int], broker: str) -> None:
    """The table names what becomes of it; without a Redis all of it is lost."""
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("update oms.jobs set since = since - interval '1 minute'")
    connection.close()
    answer = json.loads(run(database, "restore-check", "--json").output)
    assert (answer["redis"]["lostTickets"], answer["redis"]["fault"]) == (1, None)
    shown = run(database, "restore-check")
    assert shown.exit_code == 9
    assert "This ledger was never restored." in shown.output
    assert "published again by the dispatcher" in shown.output


def test_a_file_that_is_no_backup_is_refused(run: Run, empty: str, tmp_path: Path) -> None:
    """With a sentence, and nothing is in the database afterwards."""
    (tmp_path / "odd").write_text("odd")
    refused = run(empty, "restore", str(tmp_path / "odd"))
    assert refused.exit_code == 1
    assert "is no backup" in refused.output
    with ledger_connections.engine(empty).connect() as connection:
        assert connection.scalar(sa.text("select to_regclass('public.hms_revision')")) is None


def _text(engine: sa.Engine, token: str) -> Any:
    with engine.connect() as connection:
        query = sa.text("select * from oms.messages where token = :token")
        return connection.execute(query, {"token": token}).mappings().one()
