"""docs/from-celery.md: its blocks are written to the files that they name, and its app is brought over."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from hms.testing import Jobs, Server
from hms_floor.local import embedded
from hms_oms.recipes import recipes, registry
from tests.conftest import Programs, wait_until

GUIDE = Path(__file__).parents[2] / "docs" / "from-celery.md"
_BLOCK = re.compile(r"```(?:toml|python)\n# (\S+)\n(.*?)```", re.DOTALL)
ORDER = {"order": 7, "customer": "ann", "weight": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the files of the guide, from which they can be imported."""
    place = tmp_path_factory.mktemp("celery")
    for name, text in _BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    sys.path.append(str(place))
    yield place
    sys.path.remove(str(place))


@pytest.fixture(scope="module")
def server(servers: embedded.Servers, folder: Path) -> Server:
    """A server for the recipe of the guide."""
    assert servers.database_url is not None
    return Server(servers.database_url, folder / "recipes")


@pytest.fixture
def jobs(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs of one test."""
    monkeypatch.setenv("HMS_RECIPES", str(folder / "recipes"))
    with server.jobs() as own:
        yield own


def test_the_recipe_of_the_guide_has_no_fault(folder: Path) -> None:
    """`hms recipe check` finds nothing to correct."""
    command = [sys.executable, "-m", "hms_floor", "recipe", "check", str(folder / "recipes")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=folder, env={"PYTHONPATH": "."}
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chain_is_a_job(jobs: Jobs) -> None:
    """The tasks do as steps what they did: charged after a retry, shipped by the cheapest of three."""
    tasks, shop = importlib.import_module("orders_tasks"), importlib.import_module("orders_shop")
    tasks.busy.add(7)
    with jobs.connection() as connection, Session(connection) as session:
        placed = shop.place(session, ORDER)
        other = shop.place(session, {**ORDER, "order": 8})
        assert shop.place(session, ORDER).created is False
        session.commit()
    jobs.run()
    waiting = jobs.job(placed.id)
    assert (waiting.status, waiting.failures) == ("waiting", 1)
    assert jobs.job(other.id).status == "done"
    jobs.forward(timedelta(seconds=40))
    jobs.run()
    done = jobs.job(placed.id)
    assert (done.status, done.outcome) == ("done", "rail")
    assert done.results["charge"] == {"receipt": "receipt 7"}
    assert done.results["ship"] == {"carrier": "rail", "price": 8}
    assert placed.results(1.0)["charge"]["receipt"] == "receipt 7"


def test_doubles_are_one_job_for_as_long_as_the_guide_says(jobs: Jobs) -> None:
    """A double click, and two beats."""
    shop, beat = importlib.import_module("orders_shop"), importlib.import_module("orders_beat")
    with jobs.connection() as connection, Session(connection) as session:
        clicks = [shop.place_in_a_hurry(session, {**ORDER, "order": number}) for number in (1, 2)]
        assert [click.created for click in clicks] == [True, False]
        engine = connection.engine
        session.commit()
    starts = [beat.first_order_of_the_day(engine, ORDER, date(2026, 11, 30)) for _ in range(2)]
    assert [start.created for start in starts] == [True, False]
    jobs.forward(timedelta(hours=1))
    with jobs.connection() as connection, Session(connection) as session:
        assert shop.place_in_a_hurry(session, {**ORDER, "order": 3}).created
        session.commit()


def test_both_share_one_redis(
    programs: Programs, engine: sa.Engine, broker: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of the old app and one of the recipes take what is theirs from the same database of Redis."""
    monkeypatch.setenv("HMS_RECIPES", str(folder / "recipes"))
    settings = {
        "HMS_RECIPES": str(folder / "recipes"),
        "PYTHONPATH": f"{folder}:{Path.cwd()}",
        "ORDERS_BROKER": broker,
    }
    with engine.begin() as connection:
        registry.register(connection, recipes.load_folder(folder / "recipes")["shop:checkout:v1"])
    tasks: Any = importlib.import_module("orders_tasks")
    report: Any = importlib.import_module("orders_report")
    tasks.app.conf.broker_url = broker
    tasks.nightly.delay()
    programs.start(
        "old", "-m", "celery", "-A", "orders_tasks", "worker", "-P", "solo", "--loglevel=INFO", **settings
    )
    programs.worker(pool="threads", **settings)
    programs.start("act", "-m", "hms_floor", "act", "run", **settings)
    assert report.receipt(engine, ORDER) == "receipt 7"
    wait_until(lambda: "succeeded" in programs.said("old"), "the old app's task", 40)
    assert "'report of " in programs.said("old")
    assert "unregistered task" not in programs.said("old") + programs.said("w")
