"""A PostgreSQL cluster with a migrated database: made once, and copied for each process of the tests."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

import psycopg2

from hms.testing import make_clock_movable
from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.database.schema import migrate
from hms_oms.recipes import package_migrations, recipes
from hms_oms.runtime import settings

TEMPLATE = "hms_template"


def copy_cluster(shared: Path, home: Path) -> None:
    """Give a home a copy of a cluster that has the template; the first of several processes makes it."""
    seed = shared / "seed"
    with (shared / "seed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not seed.exists():
            with embedded.serving(seed, broker=False, fast=True) as running:
                make_template(running)
    subprocess.run(["cp", "-pPR", seed / "postgres", home / "postgres"], check=True)


def make_template(servers: embedded.Servers) -> None:
    """Make a migrated database whose clock the tests can move."""
    admin(servers, f"create database {TEMPLATE}")
    url = sibling(servers, TEMPLATE)
    migrate.upgrade(url)
    known = recipes.load_folder(settings.Settings().recipes)
    with connections.engine(url).begin() as connection:
        package_migrations.upgrade(connection, known.values())
        make_clock_movable(connection)
    connections.engine(url).dispose()
    # Autovacuum in it would keep it from being copied.
    admin(servers, f"alter database {TEMPLATE} with allow_connections false")


def sibling(servers: embedded.Servers, name: str) -> str:
    assert servers.database_url is not None
    return servers.database_url.replace("/hms?", f"/{name}?", 1)


def admin(servers: embedded.Servers, statement: str) -> None:
    assert servers.database_url is not None
    connection = psycopg2.connect(servers.database_url)
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()
