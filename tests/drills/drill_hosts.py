"""Many hosts: one falls silent while it holds what others wait for.

Servers, two hosts for control and two for workers, each a network namespace. The test itself looks on through
the servers' sockets, which no network is in the way of.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import sqlalchemy as sa

from hms_floor.cli.installation import db
from hms_oms.database import connections as database
from hms_oms.recipes import recipes
from tests.conftest import Programs, wait_until
from tests.crash.test_silent import apply, assigning
from tests.crash.test_silent import done as all_done
from tests.drills.network import Host, hosts
from tests.support import pooler, redis_servers
from tests.support.shop import TABLES

ACT, OPS = ("-m", "hms_floor", "act", "run"), ("-m", "hms_floor", "ops", "run")
NAMES = ("servers", "control-a", "control-b", "worker-1", "worker-2")
GRANTS = Path(recipes.__file__).parents[2] / "workers/recipes"
#: How soon all must be well again, in seconds.
RECOVERY_SECONDS = 15.0


@dataclass
class Floor:
    """The hosts, what runs on them, and the ledger as the test sees it."""

    hosts: dict[str, Host]
    programs: Programs
    #: By the server's own socket.
    url: str
    engine: sa.Engine

    def control(self, name: str, **environment: str) -> None:
        """Start a dispatcher and a watch on a host."""
        self.hosts[name].start(self.programs, f"act-{name}", *ACT, **environment)
        self.hosts[name].start(self.programs, f"ops-{name}", *OPS, **environment)

    def worker(self, name: str, slots: int = 8, **environment: str) -> None:
        """Start a worker on a host."""
        words = (
            "-m",
            "celery",
            "-A",
            "workers",
            "worker",
            "-P",
            "threads",
            "-c",
            str(slots),
            "-n",
            f"w@{name}",
        )
        self.hosts[name].start(self.programs, name, *words, **environment)

    def ask(self, query: str, **values: object) -> list[sa.Row[tuple[object, ...]]]:
        """What the ledger says."""
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text(query), values).all())


@contextmanager
def floor(folder: Path, known: Path) -> Iterator[Floor]:
    """Five hosts with PostgreSQL and Redis on the first of them."""
    with ExitStack() as held:
        made = {host.name: host for host in held.enter_context(hosts(*NAMES))}
        place = held.enter_context(pooler.folder())
        servers = made["servers"]
        pooler.run(str(pooler.BIN / "initdb"), "-D", str(place / "data"), "-U", "hms", "-A", "trust", "-N")
        with (place / "data/pg_hba.conf").open("a") as file:
            file.write("host all hms 10.77.0.0/24 trust\n")
        socket = f"postgresql://hms@/postgres?host={place}"
        account = pooler.account()
        held.enter_context(
            pooler.server(
                *(place, "data", 5432, socket),
                more=("-k", str(place), "-c", "listen_addresses=*"),
                wrap=lambda words: servers.command(*words, account=account and account.pw_uid),
            )
        )
        held.enter_context(
            redis_servers.server(
                port=6379,
                config=f'save ""\nbind * \nprotected-mode no\nunixsocket {place}/redis.sock\n',
                wrap=lambda words: servers.command(*words),
                socket=f"{place}/redis.sock",
            )
        )
        with closing(psycopg2.connect(socket)) as connection:
            connection.autocommit = True
            connection.cursor().execute("create database hms")
        url = socket.replace("/postgres", "/hms")
        db.prepare(url, recipes.load_folder(known).values())
        engine = database.engine(url)
        with engine.begin() as connection:
            connection.exec_driver_sql(TABLES)
        programs = Programs(
            f"postgresql://hms@{servers.address}:5432/hms", f"redis://{servers.address}:6379/0", folder
        )
        programs.environment["HMS_RECIPES"] = str(known)
        try:
            yield Floor(made, programs, url, engine)
        finally:
            programs.end()
            engine.dispose()


def test_a_silent_worker_in_a_transaction_holds_nobody_up(tmp_path: Path) -> None:
    """It is cut off while it holds the inspectors of a state: others go on soon, and no job fails."""
    with floor(tmp_path, GRANTS) as this:
        recipe = recipes.load_folder(GRANTS)["farm:grant:v1"]
        this.control("control-a")
        this.worker("worker-1", slots=1)
        with this.engine.connect() as holder:
            holder.exec_driver_sql("lock table farm.assignments in share mode")
            jobs = [apply(this.engine, recipe, 1)]
            wait_until(lambda: assigning(this.engine), "the first worker to hold the inspectors", 60)
            this.worker("worker-2", slots=4)
            wait_until(lambda: this.ask("select 1 from oms.workers offset 1"), "the second worker", 60)
            this.hosts["worker-1"].silence()
            began = time.monotonic()
            holder.rollback()
        jobs += [apply(this.engine, recipe, number) for number in (2, 3, 4)]
        wait_until(lambda: all_done(this.engine, jobs), "the applications to be done", 60)
        passed = time.monotonic() - began
        print(f"\nall done {passed:.1f} s after the worker's host fell silent in a transaction")
        assert passed <= RECOVERY_SECONDS
