"""A rolling upgrade in mid-cycle: programs of the release before and of this one work on one ledger.

The release before is the newest tag that is not this commit's own; until there is one, `BEFORE`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_floor.local import embedded
from hms_floor.local.listening import free_port
from hms_oms.broker import waiting_tickets
from hms_oms.database import connections
from tests.conftest import drop, wait_until
from tests.support.clusters import admin, sibling
from workers.farm_grant import sample

ROOT = Path(__file__).resolve().parents[2]
#: The last commit before logs, backups and this drill: what 0.2.0 will have been the first tag after.
BEFORE = "fa686d206899e979aa2f56a67bc960630a425e98"
APPLICATIONS = 6000
#: So many jobs show that a set of programs works together.
ENOUGH = 60


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of the release before, installed as that release says."""
    folder = tmp_path_factory.mktemp("before")
    name = _previous()
    (folder / "src").mkdir()
    archive = subprocess.run(
        ["git", "-C", ROOT, "archive", name], capture_output=True, check=True, timeout=60
    )
    subprocess.run(["tar", "-x", "-C", folder / "src"], input=archive.stdout, check=True, timeout=60)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, timeout=120)
    pip = [
        folder / "venv" / "bin" / "python",
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "install",
    ]
    pins = ["--constraint", folder / "src" / "constraints.txt"]
    subprocess.run([*pip, *pins, f"{folder / 'src'}[floor,sms]"], check=True, timeout=600)
    print(f"\nupgrade: from {name[:12]}")
    return folder / "venv" / "bin"


def _previous() -> str:
    described = subprocess.run(
        ["git", "-C", ROOT, "describe", "--tags", "--abbrev=0", "HEAD^"],
        capture_output=True,
        text=True,
        check=False,
    )
    if described.returncode == 0:
        return described.stdout.strip()
    known = subprocess.run(["git", "-C", ROOT, "cat-file", "-e", BEFORE], capture_output=True, check=False)
    if known.returncode != 0:
        pytest.skip(
            "NO UPGRADE WAS TRIED: this checkout has neither a tag nor the history before the first one"
        )
    return BEFORE


class Installation:
    """A database and a Redis, and programs of two releases on them."""

    def __init__(self, servers: embedded.Servers, home: Path) -> None:
        self.name = "hms_upgrade"
        admin(servers, f"create database {self.name}")
        self.url = sibling(servers, self.name)
        self.home = home
        assert servers.broker_url is not None
        client = waiting_tickets.client(servers.broker_url)
        client.flushall()
        client.close()
        ours = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
        self.port = free_port(home, "upgrade", 0, insist=False)
        self.environment = {
            **ours,
            "HMS_HOME": str(home),
            "HMS_DATABASE_URL": self.url,
            "HMS_BROKER_URL": servers.broker_url,
            "HMS_LOG_LEVEL": "INFO",
            "HMS_FLOOR_PORT": str(self.port),
            "HMS_URL": f"http://127.0.0.1:{self.port}",
            "HMS_WORKER_SLOTS": "4",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, programs: Path, log: str, *words: str) -> subprocess.Popen[bytes]:
        """Start `hms` of one release."""
        with (self.home / f"{log}.log").open("ab") as output:
            process = subprocess.Popen(
                [programs / "hms", *words],
                env=self.environment,
                stdout=output,
                stderr=output,
                cwd=self.home,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def call(self, programs: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `hms` of one release to its end."""
        return subprocess.run(
            [programs / "hms", *words],
            env=self.environment,
            capture_output=True,
            text=True,
            cwd=self.home,
            timeout=120,
            check=False,
        )

    def count(self, query: str, **values: object) -> int:
        """A number from the ledger."""
        with connections.engine(self.url).connect() as connection:
            return int(connection.scalar(sa.text(query), values) or 0)

    def done(self, worker: str = "%") -> int:
        """How many jobs have ended, by workers of this name."""
        query = "select count(*) from oms.job_events where fact = 'finished' and who like :worker"
        return self.count(query, worker=worker)

    def goes_on(self, what: str, worker: str = "%") -> None:
        """Wait until enough more jobs have ended."""
        before, began = self.done(worker), time.monotonic()
        wait_until(lambda: self.done(worker) >= before + ENOUGH, what, 120)
        print(f"upgrade: {what}: {ENOUGH} jobs in {time.monotonic() - began:.1f} s")

    def end(self) -> None:
        """End what still runs."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        connections.engine(self.url).dispose()


@pytest.fixture
def installation(servers: embedded.Servers, tmp_path: Path) -> Iterator[Installation]:
    """An installation with an empty database."""
    made = Installation(servers, tmp_path)
    yield made
    made.end()
    drop(servers, made.name)


def test_a_cycle_ends_while_everything_is_replaced(old: Path, installation: Installation) -> None:
    """Each mixture of old and new dispatchers and workers works; every application is done, once."""
    new = Path(sys.executable).parent
    it = installation
    assert it.call(old, "db", "migrate").returncode == 0
    refused = it.call(new, "act", "run")
    assert refused.returncode != 0
    assert "hms db migrate" in refused.stderr

    act = it.start(old, "act", "act", "run")
    first = it.start(old, "old", "worker", "run", "-n", "old@here")
    it.start(old, "floor", "floor", "run")
    file = it.home / "today.csv"
    with file.open("w", newline="") as stream:
        sample.write(stream, APPLICATIONS, 7, date.today())
    wait_until(lambda: (it.home / "badge").exists(), "the API of the release before", 60)
    time.sleep(1)
    cycle = it.start(old, "cycle", "cycle", "run", str(file), "--type", "farm:grant:v1", "--json")
    it.goes_on("everything of the release before")

    migrated = it.call(new, "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr
    it.goes_on("old dispatcher and worker on the new ledger", "old@%")
    late = it.call(old, "act", "run")
    assert late.returncode != 0
    assert "upgrade" in late.stderr

    second = it.start(new, "new", "worker", "run", "-n", "new@here")
    it.goes_on("a new worker under the old dispatcher", "new@%")
    act.send_signal(signal.SIGTERM)
    it.start(new, "new-act", "act", "run")
    act.wait(30)
    it.goes_on("an old worker under the new dispatcher", "old@%")
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    wait_until(
        lambda: it.count("select count(*) from oms.jobs where finished_at is null") == 0, "the end", 240
    )
    assert cycle.wait(60) in (0, 1, 6), (it.home / "cycle.log").read_text()[-2000:]
    assert second.poll() is None

    ended = it.count("select count(*) from oms.jobs where status = 'done'")
    assert ended == it.count("select count(*) from oms.jobs") > APPLICATIONS * 0.8
    assert it.count("select count(*) from oms.job_events where fact in ('failed', 'poisoned')") == 0
    assert it.count("select count(*) from farm.assignments") == it.count(
        "select count(*) from oms.jobs where outcome = 'assigned'"
    )
    assert it.count("select count(*) from oms.messages") == it.count(
        "select count(distinct job_id) from oms.messages"
    )
