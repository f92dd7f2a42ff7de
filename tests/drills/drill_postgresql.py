"""PostgreSQL fails over in the middle of a cycle: what was acknowledged is there, and the cycle ends."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from hms_act import accept as accepting
from hms_floor.cli.installation import db
from hms_oms.database import connections
from tests.conftest import Programs, wait_until
from tests.crash.test_pooler import FOLDER, KNOWN, accept
from tests.crash.test_silent import COUNTIES
from tests.drills.pair import pair

APPLICATIONS = 800
DISPATCHER = ("-m", "hms_floor", "act", "run")


@pytest.mark.parametrize("replication", ["synchronous", "asynchronous"])
def test_a_failover_in_mid_cycle(broker: str, tmp_path: Path, replication: str) -> None:
    """The first server is killed and the second promoted while a cycle runs and more requests come in.

    Synchronous: each acknowledged request is there and done, once. Asynchronous: what is there is done; how
    many acknowledged requests are missing is told.
    """
    with pair(synchronous=replication == "synchronous") as servers:
        db.prepare(servers.url, KNOWN.values())
        programs = Programs(servers.url, broker, tmp_path)
        programs.environment["HMS_RECIPES"] = str(FOLDER)
        try:
            for name in ("act-1", "act-2"):
                programs.start(name, *DISPATCHER)
            programs.start("ops", "-m", "hms_floor", "ops", "run")
            for name in ("w1", "w2"):
                programs.worker(name, "threads", 8)
            accept(servers.url, APPLICATIONS)
            with Requests(servers.url) as requests:
                wait_until(lambda: done(servers.url) > APPLICATIONS // 5, "a fifth to be done", 90)
                servers.kill_first()
                killed = time.monotonic()
                servers.promote_second()
                promoted = time.monotonic()
                before = done(servers.url)
                wait_until(lambda: done(servers.url) > before, "the first step after the failover", 60)
                again = time.monotonic()
                wait_until(lambda: requests.again, "a request to be acknowledged again", 60)
            outcomes = wait_until(lambda: ended(servers.url), "the cycle to end", 240)
        finally:
            programs.end()
            connections.engine(servers.url).dispose()
        engine = connections.engine(servers.second.replace("/postgres", "/hms"))
        with engine.connect() as connection:
            there = set(connection.scalars(sa.text("select id from oms.jobs")))
            assigned = connection.scalar(sa.text("select count(*) from farm.assignments"))
            visits = connection.scalar(sa.text("select sum(open_visits) from farm.inspectors"))
            texts = connection.scalar(sa.text("select count(*) from oms.messages"))
        engine.dispose()
    missing = requests.acknowledged - there
    print(
        f"\n{replication}: promoted {promoted - killed:.1f} s after the end of the first server, the first"
        f" job done {again - killed:.1f} s after it; {len(requests.acknowledged)} more requests acknowledged,"
        f" {len(missing)} of them missing; {outcomes}"
    )
    assert {status for status, _ in outcomes} == {"done"}
    assert assigned == visits == outcomes["done", "assigned"]
    assert texts == len(there)
    if replication == "synchronous":
        assert not missing
        assert len(there) >= APPLICATIONS + len(requests.acknowledged)


class Requests:
    """Sends request after request, and remembers the jobs of those that were acknowledged."""

    def __init__(self, url: str) -> None:
        self._engine = connections.engine(url)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failed = False
        self.acknowledged: set[int] = set()
        #: Whether one was acknowledged after one that was not.
        self.again = False

    def __enter__(self) -> Requests:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)

    def _run(self) -> None:
        number = 1_000_000
        while not self._over.wait(0.01):
            number += 1
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
            try:
                with self._engine.begin() as connection:
                    job = accepting.start_job(
                        connection, KNOWN["farm:grant:v1"], payload, requested_by="test"
                    ).job.id
            except DBAPIError:
                self._failed = True
            else:
                self.acknowledged.add(job)
                self.again = self._failed


def done(url: str) -> int:
    """How many jobs are done; -1 if nobody answers."""
    try:
        with connections.engine(url).connect() as connection:
            return int(connection.scalar(sa.text("select count(*) from oms.jobs where status = 'done'")) or 0)
    except DBAPIError:
        return -1


def ended(url: str) -> Counter[tuple[str, str]] | None:
    """How all jobs have ended; None while one is open."""
    query = "select status, outcome, count(*) as number from oms.jobs group by 1, 2"
    with connections.engine(url).connect() as connection:
        rows = connection.execute(sa.text(query)).all()
    result = Counter({(row.status, row.outcome): row.number for row in rows})
    return None if {status for status, _ in result} & {"waiting", "queued", "running"} else result
