"""The power fails while a cycle runs, again and again: each acknowledged job is there, and is done once."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from pathlib import Path

import psycopg2
import sqlalchemy as sa

from hms_act import accept
from hms_floor.cli.installation import db
from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.recipes import recipes
from tests.conftest import RECIPES, Programs, wait_until
from tests.drills import power
from tests.drills.power import Torn
from tests.support.shop import TABLES

SEED = 18
#: So many jobs are acknowledged between two failures of the power.
JOBS = 80
FAILURES = 3
FLUSHED = "select pg_current_wal_flush_lsn()"


class Requests(threading.Thread):
    """Accepts one job after the other, and knows which are acknowledged."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[int] = []
        self._engine = engine
        self._recipe = recipes.load_folder(RECIPES)["shop:order:v1"]
        self._over = threading.Event()

    def run(self) -> None:
        """Go on until told to end."""
        number = 0
        while not self._over.wait(0.01):
            number += 1
            payload = {"number": number, "pick": {"effect": True}, "send": {"effect": True}}
            with self._engine.begin() as connection:
                job = accept.start_job(connection, self._recipe, payload, requested_by="drill").job
            self.acknowledged.append(job.id)

    def end(self) -> None:
        """Accept no more."""
        self._over.set()
        self.join()


def test_the_power_fails(tmp_path: Path) -> None:
    """With the log torn behind what was synced, and pages that were not, nothing acknowledged is missing."""
    dice = random.Random(SEED)
    kept: list[tuple[Path, list[int], Torn]] = []
    with embedded.serving(tmp_path / "first") as servers:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        db.prepare(servers.database_url, recipes.load_folder(RECIPES).values())
        engine = connections.engine(servers.database_url)
        with engine.begin() as connection:
            connection.exec_driver_sql(TABLES)
        programs = Programs(servers.database_url, servers.broker_url, tmp_path)
        requests = Requests(engine)
        try:
            programs.dispatcher()
            programs.worker("w", "threads", 4)
            requests.start()
            for failure in range(FAILURES):
                more = len(requests.acknowledged) + JOBS
                wait_until(lambda more=more: len(requests.acknowledged) > more, "jobs to be accepted", 120)
                time.sleep(dice.random())
                kept.append(_fail(servers, requests, tmp_path / f"power-{failure}", dice))
        finally:
            requests.end()
            programs.end()
            engine.dispose()
    for home, acknowledged, torn in kept:
        _go_on(home, acknowledged)
        print(
            f"\nthe log ends {torn.behind} bytes behind what was synced, {torn.pages} pages are torn:"
            f" all {len(acknowledged)} acknowledged jobs are there and done"
        )


def _fail(
    servers: embedded.Servers, requests: Requests, home: Path, dice: random.Random
) -> tuple[Path, list[int], Torn]:
    """Keep what the loss of power would leave now, and what was acknowledged before."""
    [postgres] = [server for server in servers.processes if server.program.name == "postgres"]
    assert servers.database_url is not None
    asking = psycopg2.connect(servers.database_url)
    asking.autocommit = True
    with asking.cursor() as cursor:
        # What is acknowledged by now is synced by the time that the server is asked.
        acknowledged = list(requests.acknowledged)
        cursor.execute(FLUSHED)
        synced = power.number(cursor.fetchall()[0][0])
        with power.halted(postgres.process.pid):
            home.mkdir(mode=0o711)
            subprocess.run(["cp", "-a", servers.home / "postgres", home / "postgres"], check=True)
    asking.close()
    return home, acknowledged, power.tear(home / "postgres", synced, dice)


def _go_on(home: Path, acknowledged: list[int]) -> None:
    """Start again on what is left, see that nothing is missing, and have all be done."""
    with embedded.serving(home) as servers:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        engine = connections.engine(servers.database_url)
        with engine.connect() as connection:
            there = set(connection.scalars(sa.text("select id from oms.jobs")))
        assert set(acknowledged) <= there
        programs = Programs(servers.database_url, servers.broker_url, home)
        try:
            programs.dispatcher()
            programs.worker("w", "threads", 4)
            wait_until(lambda: not _open(engine), "all to be done", 120)
            with engine.connect() as connection:
                statuses = set(connection.scalars(sa.text("select distinct status from oms.jobs")))
                effects = connection.execute(
                    sa.text("select count(*), count(distinct (job, step)) from public.effects")
                ).one()
        finally:
            programs.end()
            engine.dispose()
    assert statuses == {"done"}
    assert tuple(effects) == (2 * len(there), 2 * len(there))


def _open(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        query = "select count(*) from oms.jobs where status in ('waiting', 'queued', 'running')"
        return int(connection.scalar(sa.text(query)) or 0)
