"""Real neighbours for the tests: one private PostgreSQL and Redis, a fresh database for each test."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hypothesis
import psycopg2
import psycopg2.extensions
import pytest
import sqlalchemy as sa

from hms_floor.local import embedded
from hms_oms.database import connections as ledger_connections
from hms_oms.recipes import recipes, registry
from tests.support import pooler
from tests.support.clusters import TEMPLATE, admin, copy_cluster, make_template
from tests.support.databases import Databases
from tests.support.programs import Program
from tests.support.shop import TABLES

RECIPES = Path(__file__).parent / "recipes"

#: The tests write to memory if so many bytes are free there.
MEMORY = 4 << 30

# How long an example takes is for benchmarks to say.
hypothesis.settings.register_profile("hms", deadline=None)
hypothesis.settings.load_profile("hms")

# Anyone who runs the tests in the background of a shell has SIGINT ignored, and so would every child.
signal.signal(signal.SIGINT, signal.default_int_handler)


@functools.cache
def shop_recipes() -> recipes.Recipes:
    """The recipes of the test shop, read and checked once."""
    return recipes.load_folder(RECIPES)


def wait_until(look: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Look again and again until the answer is true, and return it; fail naming `what` was awaited."""
    deadline, pause = time.monotonic() + seconds, 0.01
    while True:
        result = look()
        if result:
            return result
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s needlessly for: {what} (last seen: {result!r})")
        # What takes longer is looked at less often: looking is work, too.
        time.sleep(pause)
        pause = min(1.3 * pause, 0.1)


def pytest_configure() -> None:
    """Keep what the tests write in memory where there is room: they make databases by the hundred."""
    shared = Path("/dev/shm")
    if shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > MEMORY:
        flags = os.statvfs(shared).f_flag
        if not flags & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(shared))


def pytest_sessionstart() -> None:
    """Look for no garbage while modules and tests are collected: nearly all that is made then stays."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on look for garbage among what is new."""
    gc.freeze()
    gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what stands in `drills` as that."""
    if item.path.parent.name == "drills":
        item.add_marker(pytest.mark.drill)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one process of several run all tests of a module that share a fixture: each would make its own.

    It has to be said before the runner reads the groups. Tests of the pages have one, whatever their module.
    """
    for item in items:
        fixtures = getattr(item, "_fixtureinfo", None)
        known = fixtures.name2fixturedefs if fixtures else {}
        is_free = item.get_closest_marker("xdist_group") is None
        if is_free and "module" in {definitions[-1].scope for definitions in known.values()}:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}.{item.path.stem}"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Make way for the process that has the floor: no other has as much to do one after the other."""
    if "PYTEST_XDIST_WORKER" in os.environ and "floor" not in getattr(item, "fixturenames", ()):
        os.nice(max(0, 5 - os.nice(0)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Escape lone surrogates in what a test has printed or logged: between processes they cannot be sent."""
    report: Any = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Servers]:
    """PostgreSQL and Redis for the whole session, in a folder of their own.

    With TEST_POSTGRES_BIN the programs in that folder are PostgreSQL: any version that we work with.
    """
    home, other = tmp_path_factory.mktemp("home"), "TEST_POSTGRES_BIN" in os.environ
    with ExitStack() as held:
        if "PYTEST_XDIST_WORKER" in os.environ and not other:
            copy_cluster(tmp_path_factory.getbasetemp().parent, home)
        running = held.enter_context(embedded.serving(home, database=not other, fast=True))
        if other:
            url = urlsplit(held.enter_context(pooler.postgres()))
            running = replace(
                running, database_url=f"postgresql://hms@/hms?host={url.hostname}&port={url.port}"
            )
            admin(replace(running, database_url=url.geturl()), "create database hms")
        yield running


@pytest.fixture(scope="session")
def template(servers: embedded.Servers) -> str:
    """The name of a migrated database whose clock the tests can move; it may have come with the servers."""
    with closing(psycopg2.connect(servers.database_url)) as connection, connection.cursor() as cursor:
        cursor.execute("select from pg_database where datname = %s", [TEMPLATE])
        there = cursor.rowcount
    if not there:
        make_template(servers)
    return TEMPLATE


@pytest.fixture(scope="session")
def databases(servers: embedded.Servers, template: str) -> Databases:
    """Copies of the template, one test after the other."""
    assert servers.database_url is not None
    return Databases(servers.database_url, template)


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """The URL of a migrated, empty database."""
    with databases.lent() as url:
        yield url
        ledger_connections.engine(url).dispose()


@pytest.fixture(scope="module")
def module_database(databases: Databases) -> Iterator[str]:
    """The URL of a database that the tests of a module share; it knows the recipes of the tests."""
    with databases.lent() as url:
        with ledger_connections.engine(url).begin() as connection:
            for recipe in shop_recipes().values():
                registry.register(connection, recipe)
        yield url
        ledger_connections.engine(url).dispose()


@pytest.fixture
def broker(servers: embedded.Servers) -> str:
    """The URL of an empty Redis."""
    from hms_oms.broker import waiting_tickets as redis_tickets

    assert servers.broker_url is not None
    client = redis_tickets.client(servers.broker_url)
    client.flushall()
    client.close()
    return servers.broker_url


@pytest.fixture
def raw(database: str) -> Iterator[psycopg2.extensions.connection]:
    """A raw connection of the kind that workers and loops use."""
    connection = ledger_connections.connect(database, "test")
    yield connection
    connection.close()


@pytest.fixture
def engine(database: str) -> sa.Engine:
    """The pooled engine for people's reads and writes."""
    return ledger_connections.engine(database)


@pytest.fixture
def shop(engine: sa.Engine) -> recipes.Recipe:
    """A recipe of three steps, known to the ledger: `shop:order:v1`, keyed by its field `number`."""
    recipe = shop_recipes()["shop:order:v1"]
    with engine.begin() as connection:
        registry.register(connection, recipe)
    return recipe


@pytest.fixture
def returns(engine: sa.Engine) -> recipes.Recipe:
    """A recipe that mixes the steps of workers and of an agent, known to the ledger: `shop:return:v1`."""
    recipe = shop_recipes()["shop:return:v1"]
    with engine.begin() as connection:
        registry.register(connection, recipe)
    return recipe


@pytest.fixture
def forward(engine: sa.Engine) -> Callable[[timedelta], None]:
    """Move the database's clock, as every process sees it at once."""

    def move(by: timedelta) -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("update public.clock set shift = shift + :by"), {"by": by})

    return move


class Programs:
    """Starts dispatchers and workers as processes of their own, and ends those that are left."""

    def __init__(self, database: str, broker: str, home: Path) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HMS_")},
            "HMS_HOME": str(home),
            "HMS_DATABASE_URL": database,
            "HMS_BROKER_URL": broker,
            "HMS_RECIPES": str(RECIPES),
            "HMS_LOG_LEVEL": "INFO",
            "PYTHONPATH": str(RECIPES.parent.parent),
        }
        self.processes: list[Program] = []

    def start(self, name: str, *arguments: str, **environment: str) -> Program:
        """Start `python {arguments}`, its output in {home}/{name}.log."""
        process = Program(
            arguments, {**self.environment, **environment}, self.home / f"{name}.log", self.home
        )
        self.processes.append(process)
        return process

    def worker(
        self, name: str = "w", pool: str = "prefork", slots: int = 2, queues: str = "", **environment: str
    ) -> Program:
        """Start a worker, of these queues only if some are named."""
        command = [
            "-m",
            "celery",
            "-A",
            "workers",
            "worker",
            "-P",
            pool,
            "-c",
            str(slots),
            "-n",
            f"{name}@here",
            *(["-Q", queues] if queues else []),
        ]
        return self.start(name, *command, **environment)

    def dispatcher(self, name: str = "act") -> Program:
        """Start a dispatcher."""
        return self.start(name, "-m", "hms_floor", "act", "run")

    def said(self, name: str) -> str:
        """What a process has printed."""
        return (self.home / f"{name}.log").read_text()

    def end(self) -> None:
        """End every process that still runs, with all its children."""
        for process in self.processes:
            # One that has only just started may not lead its session yet.
            process.kill()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def programs(
    database: str, broker: str, engine: sa.Engine, shop: recipes.Recipe, tmp_path: Path
) -> Iterator[Programs]:
    """Processes on this test's own database and Redis, with the tables that the shop's steps write to."""
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLES)
        for recipe in shop_recipes().values():
            registry.register(connection, recipe)
    programs = Programs(database, broker, tmp_path)
    yield programs
    programs.end()


def drop(servers: embedded.Servers, name: str) -> None:
    """Remove a database with all connections to it, and wait for autovacuum where that is in it."""
    wait_until(lambda: _dropped(servers, name), f"the end of database {name}")


def _dropped(servers: embedded.Servers, name: str) -> bool:
    try:
        admin(servers, f"drop database {name} with (force)")
    except psycopg2.errors.InsufficientPrivilege:  # autovacuum is in it, whose end nobody may force
        return False
    return True
