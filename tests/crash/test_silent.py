"""A host that falls silent and a process that hangs: how long until the others go on, measured."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database.connections import RawConnection
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, wait_until
from tests.support.proxy import Proxy
from workers.farm_grant import roster

FOLDER = Path(recipes.__file__).parents[2] / "workers/recipes"
#: Two counties of one state: their inspectors are the same.
COUNTIES = ("19001", "19003")


@pytest.fixture
def proxy(database: str) -> Iterator[Proxy]:
    """A network to this test's database that can be cut."""
    running = Proxy(database)
    yield running
    running.close()


@pytest.fixture
def grant(engine: sa.Engine, raw: RawConnection) -> Recipe:
    """The farm-grant recipe, known to the ledger, with its inspectors."""
    recipe = recipes.load_folder(FOLDER)["farm:grant:v1"]
    with engine.begin() as connection:
        registry.register(connection, recipe)
    roster.seed(raw)
    return recipe


def test_a_leader_that_is_silent_or_hangs_is_replaced(programs: Programs, proxy: Proxy) -> None:
    """Of two dispatchers the leader is cut off, and the one after it is stopped: each time the other leads.

    The first one meets the fence when it is connected again, and stands by until it leads once more.
    """
    programs.start("first", *DISPATCHER, HMS_DATABASE_URL=proxy.url)
    leads(programs, "first")
    second = programs.dispatcher("second")
    wait_until(lambda: sessions(programs, "hms act standby"), "the second one to stand by")
    proxy.cut()
    silent = leads(programs, "second")
    proxy.mend()
    wait_until(lambda: "act: another process leads" in programs.said("first"), "the first one to notice")
    os.kill(second.pid, signal.SIGSTOP)
    hung = leads(programs, "first", times=2)
    print(f"led again after {silent:.1f} s (silent), {hung:.1f} s (hung)")
    assert silent <= 10
    assert hung <= 10


def test_a_worker_that_hangs_in_a_transaction_holds_nobody_up(
    programs: Programs, engine: sa.Engine, grant: Recipe
) -> None:
    """It holds the inspectors of a state: the applications there are done by others soon, and none fails."""
    programs.environment["HMS_RECIPES"] = str(FOLDER)
    programs.dispatcher()
    wait_until(lambda: "act: leading" in programs.said("act"), "the dispatcher to lead")
    first = programs.worker("first", "threads", 1)
    with engine.connect() as holder:
        holder.exec_driver_sql("lock table farm.assignments in share mode")
        jobs = [apply(engine, grant, 1)]
        wait_until(lambda: assigning(engine), "the first worker to hold the inspectors")
        os.kill(first.pid, signal.SIGSTOP)
        began = time.monotonic()
        holder.rollback()
    programs.worker("second", "threads", 4)
    jobs += [apply(engine, grant, number) for number in (2, 3, 4)]
    wait_until(lambda: done(engine, jobs), "the applications to be done in spite of one that hangs", 40)
    hung = time.monotonic() - began
    print(f"done after {hung:.1f} s, a worker's start included")
    assert hung <= 15


DISPATCHER = ("-m", "hms_floor", "act", "run")


def leads(programs: Programs, name: str, times: int = 1) -> float:
    """Wait until a dispatcher leads, or does so again; after how many seconds it did."""
    began = time.monotonic()
    wait_until(lambda: programs.said(name).count("act: leading") == times, f"{name} to lead")
    return time.monotonic() - began


def sessions(programs: Programs, name: str) -> int:
    """How many sessions of this name there are."""
    url = programs.environment["HMS_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
    made = sa.create_engine(url, poolclass=sa.NullPool)
    with made.connect() as connection:
        query = "select count(*) from pg_stat_activity where datname = current_database()"
        value = connection.scalar(sa.text(f"{query} and application_name = :name"), {"name": name})
    return int(value or 0)


def assigning(engine: sa.Engine) -> bool:
    """Whether a step has the inspectors and waits for the assignments."""
    with engine.connect() as connection:
        query = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock' and query like '%farm.assignments%' and pid <> pg_backend_pid()"
        )
        return bool(connection.scalar(sa.text(query)))


def apply(engine: sa.Engine, recipe: Recipe, number: int) -> int:
    """Accept an application of one state."""
    payload = {
        "appId": number,
        "name": "Ann Lee",
        "phone": "(312) 555-0123",
        "countyFips": COUNTIES[number % 2],
        "crop": "corn",
        "acres": 120.5,
        "amountRequested": 25000,
        "submittedOn": "2026-11-01",
    }
    with engine.begin() as connection:
        return accept.start_job(connection, recipe, payload, requested_by="test").job.id


def done(engine: sa.Engine, jobs: list[int]) -> bool:
    """Whether all of these are done; fails where one has failed."""
    query = "select status, error from oms.jobs where id = any(:jobs)"
    with engine.connect() as connection:
        rows = connection.execute(sa.text(query), {"jobs": jobs}).all()
    assert not [row for row in rows if row.status == "failed"]
    return all(row.status == "done" for row in rows)
