"""`hms db size`: each table with its rows, bytes, age and growth; an empty ledger is said to be empty."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import table_sizes
from hms_oms.runtime import format
from tests.support import command_line

Run = command_line.Results


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database: str, broker: str) -> Run:
    """Run `hms db ...` on this test's database."""
    monkeypatch.setenv("HMS_DATABASE_URL", database)
    monkeypatch.setenv("HMS_BROKER_URL", broker)
    return command_line.results("db")


def test_an_empty_ledger_is_said_to_be_empty(run: Run, engine: sa.Engine) -> None:
    """Of tables without rows the command says in one line what they take."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
    output = run("size")
    assert output.exit_code == 0
    assert "oms.jobs" not in output.output


def test_every_table_is_measured(
    run: Run, engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """Rows, bytes, the oldest row and the growth of the last week stand in the table and in its JSON."""
    for days in (20, 3):
        with engine.begin() as connection:
            payloads = [{"number": days * 1000 + place} for place in range(1, 51)]
            accept.accept_many(connection, shop, payloads, requested_by="test")
        forward(timedelta(days=days))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze oms.jobs, oms.job_events")
    document = json.loads(run("size", "--json").stdout)
    jobs = next(table for table in document["tables"] if table["table"] == "oms.jobs")
    # Fifty of a hundred jobs came in the last seven days.
    assert (jobs["rows"], jobs["rowsADay"]) == (100, pytest.approx(50 / 7, abs=0.1))
    [log] = (table for table in document["tables"] if table["table"].startswith("oms.job_events"))
    assert (log["table"], log["parts"], jobs["parts"]) == ("oms.job_events", 4, None)
    assert log["rows"] == 100
    assert jobs["totalBytes"] == jobs["heapBytes"] + jobs["indexBytes"] + jobs["toastBytes"] > 0
    assert None not in (jobs["oldestAt"], jobs["vacuumedAt"])
    assert document["total"]["totalBytes"] == sum(table["totalBytes"] for table in document["tables"])
    output = run("size").output
    assert all(words in output for words in ("oms.jobs", "23 d ago", " a day"))
    for columns in (60, 100):
        assert all(len(line) <= columns for line in run("size", columns=columns).output.splitlines()[:3])


def test_growth_is_read_from_few_rows(engine: sa.Engine, shop: Recipe) -> None:
    """The rows of the last week are found by their numbers, in a few steps however many there are."""
    with engine.begin() as connection:
        accept.accept_many(connection, shop, [{"number": place} for place in range(1, 301)], requested_by="t")
        connection.exec_driver_sql(
            "update oms.jobs set created_at = oms.now() - make_interval(days => 300 - id::int)"
        )
        asked: list[str] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *call: asked.append(call[2]))
        sizes = {item.name: item for item in table_sizes.read(connection, ["oms"])}
    jobs = sizes["oms.jobs"]
    assert jobs.rows_a_day == pytest.approx(1.0 * jobs.rows / 300, rel=0.2)
    assert sum("oms.jobs" in statement for statement in asked) < 15


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 kB"), (1024**2 * 1023.99, "1.0 GB"), (5e13, "45.5 TB")],
)
def test_bytes_are_told_in_one_unit(number: float, words: str) -> None:
    """A size has the largest unit of which it is one."""
    assert format.size(number) == words
