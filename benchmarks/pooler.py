"""A cycle through PgBouncer in transaction mode beside one without, and the connections of each process."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path
from statistics import median

import psutil
import psycopg2
from sqlalchemy import text

from benchmarks.processes import ROOT, THREADS, poll_until, running
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_act import cycle
from hms_floor.cli.installation import db
from hms_floor.local import embedded
from hms_floor.local.processes import Child
from hms_oms.database import connections as database
from hms_oms.jobs import workers
from hms_oms.recipes import recipes
from tests.support import pooler
from tests.support.api import free_port
from workers.farm_grant import sample

RECIPES = ROOT / "workers/recipes"
#: Of the speed without a pooler.
BAR = 0.8
SETTLE_SECONDS = 5.0
_CYCLE_SECONDS = 300.0
#: How often connections are counted, in seconds.
_LOOK_SECONDS = 0.25


def measure(folder: Path, applications: int, rounds: int) -> list[Result]:
    """Run cycles without and with the pooler by turns, then one of each in which connections are counted."""
    with (
        embedded.serving(folder / "pooler", database=False) as servers,
        pooler.postgres() as direct,
        pooler.pgbouncer(direct, "transaction") as pooled,
    ):
        assert servers.broker_url is not None
        side = _Side(folder, servers.broker_url, direct)
        whole, part = _file(applications), _file(applications // 5)
        speeds: dict[str, list[float]] = {"direct": [], "pooled": []}
        for _ in range(rounds):
            for name, url in (("direct", direct), ("pooled", pooled)):
                speeds[name].append(side.speed(url, whole))
                say(f"pooler: {name}, {speeds[name][-1]:.0f} applications a second")
        counted = {
            name: side.connections(url, part) for name, url in (("direct", direct), ("pooled", pooled))
        }
    best = {name: median(speed) for name, speed in speeds.items()}
    return [
        Result(
            "pooler",
            f"a cycle of {applications:,} through PgBouncer in transaction mode, of the direct speed",
            best["pooled"] / best["direct"],
            "",
            bar=BAR,
            note=f"{best['pooled']:.0f} and {best['direct']:.0f} applications a second",
            detail={"speeds": speeds, "connections": counted},
        )
    ]


class _Side:
    """What runs a cycle on a database that is made for it."""

    def __init__(self, folder: Path, broker_url: str, direct: str) -> None:
        self._folder, self._broker, self._server = folder, broker_url, direct
        self._known = recipes.load_folder(RECIPES)
        self._runs = 0

    def speed(self, url: str, file: bytes) -> float:
        """Applications a second, from the first byte of the file to the last application's end."""
        with self._ready(url) as (own, environment), self._children(environment, own):
            return self._cycle(own, file)

    def connections(self, url: str, file: bytes) -> dict[str, dict[str, int]]:
        """How many connections each kind of process has at rest, and at most during a cycle."""
        with self._ready(url) as (own, environment), self._children(environment, own, whole=True) as children:
            time.sleep(SETTLE_SECONDS)
            rest = self._counted(children, own)
            peak = Counter(rest)
            cycle_of_it = threading.Thread(target=self._cycle, args=(own, file))
            cycle_of_it.start()
            while cycle_of_it.is_alive():
                peak |= self._counted(children, own)
                cycle_of_it.join(_LOOK_SECONDS)
        return {name: {"rest": rest[name], "peak": peak[name]} for name in sorted(peak)}

    @contextmanager
    def _ready(self, url: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        """A migrated database of its own behind `url`, and the settings of those who use it."""
        self._runs += 1
        name = f"run{self._runs}"
        with closing(psycopg2.connect(self._server)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"create database {name}")
        own, direct = (item.replace("/postgres", f"/{name}") for item in (url, self._server))
        db.prepare(direct, self._known.values())
        database.engine(direct).dispose()
        environment = {
            "HMS_HOME": str(self._folder),
            "HMS_DATABASE_URL": own,
            "HMS_DATABASE_DIRECT_URL": direct,
            "HMS_BROKER_URL": self._broker,
            "HMS_RECIPES": str(RECIPES),
            "HMS_LOG_LEVEL": "WARNING",
            "HMS_FLOOR_PORT": str(free_port()),
        }
        try:
            yield own, environment
        finally:
            database.engine(own).dispose()

    @contextmanager
    def _children(
        self, environment: Mapping[str, str], own: str, *, whole: bool = False
    ) -> Iterator[dict[str, Child]]:
        """The dispatcher and the workers; with `whole` also the watch and the API."""
        hms = [sys.executable, "-m", "hms_floor"]
        commands = {"act": [*hms, "act", "run"]}
        if whole:
            commands |= {"ops": [*hms, "ops", "run"], "floor": [*hms, "floor", "run"]}
        for number in range(THREADS.processes):
            commands[f"worker-{number}"] = THREADS.command("workers", number)
        with running(self._folder, commands, environment) as children:
            poll_until(lambda: _present(own) == THREADS.processes, "workers are not in the ledger")
            yield dict(zip(commands, children, strict=True))

    def _cycle(self, own: str, file: bytes) -> float:
        began = time.perf_counter()
        engine, stream = database.engine(own), io.BytesIO(file)
        for _ in cycle.accept_file(
            engine, self._known["farm:grant:v1"], stream, name="bench", requested_by="bench"
        ):
            pass
        with engine.connect() as connection:
            number = int(connection.scalar(text("select count(*) from oms.jobs")) or 0)
        return number / (poll_until(lambda: _is_over(own), "jobs are open", _CYCLE_SECONDS) - began)

    def _counted(self, children: Mapping[str, Child], own: str) -> Counter[str]:
        """Connections to the database and the pooler by process, and those of the server itself."""
        ports = {
            int(url.rpartition("@")[2].partition("/")[0].partition(":")[2]) for url in (own, self._server)
        }
        result: Counter[str] = Counter()
        for name, process in children.items():
            lines = psutil.Process(process.pid).net_connections("tcp")
            result[name] = sum(bool(line.raddr) and line.raddr.port in ports for line in lines)
        with closing(psycopg2.connect(self._server)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where backend_type = 'client backend'"
                " and pid <> pg_backend_pid() and datname = %s",
                (own.rpartition("/")[2],),
            )
            result["PostgreSQL's own count"] = (cursor.fetchone() or (0,))[0]
        return result


def _file(applications: int) -> bytes:
    """A file of so many farm-grant applications."""
    written = io.StringIO()
    sample.write(written, applications, 7, date(2026, 11, 1))
    return written.getvalue().encode()


def _present(url: str) -> int:
    with database.engine(url).connect() as connection:
        return len(workers.live(connection))


def _is_over(url: str) -> bool:
    query = "select not exists (select from oms.jobs where finished_at is null)"
    with database.engine(url).connect() as connection:
        return bool(connection.scalar(text(query)))
