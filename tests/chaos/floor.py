"""The processes of a storm: servers, dispatchers and workers, each started again when it is gone."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil
import redis

from hms_floor.local import embedded, processes
from hms_floor.local.embedded import Server
from hms_floor.local.processes import Child
from hms_oms.broker import waiting_tickets
from hms_oms.jobs.workers import worker_id
from hms_oms.recipes.recipes import load_folder
from tests.chaos.disk import Disk, small
from tests.chaos.executions import FOLDER
from tests.provider.driver import Provider
from workers.presence.presence import REPLACE

RECIPES = Path(__file__).parent / "recipes"

#: Who works, with pool and slots: every pool that the product knows.
WORKERS = {
    "prefork-1": ("prefork", 2),
    "prefork-2": ("prefork", 2),
    "threads": ("threads", 8),
    "solo": ("solo", 1),
}
DISPATCHERS = ("act-1", "act-2")
WATCHES = ("watch-1", "watch-2")
#: Who may lead in each daemon.
LEADERS = {"act": DISPATCHERS, "pager": WATCHES}
#: So many texts to applicants go out in a second: those of a storm come faster than any office's.
TEXTS_PER_SECOND = 50

#: A process that is gone is started again after this long, in seconds, as a supervisor would.
RESTART_SECONDS = 0.5
#: A worker that has lived this long may be struck, in seconds: before, there is nothing to lose.
GROWN_SECONDS = 3.5


@dataclass
class Hand:
    """The present process of a role; `doomed` when the storm itself has killed it."""

    role: str
    process: Child
    log: Path
    known: psutil.Process
    born: float = field(default_factory=time.monotonic)
    doomed: bool = False
    stopped: bool = False
    gone_since: float | None = None

    @property
    def lives(self) -> bool:
        """Whether it has neither ended nor been killed."""
        return not self.doomed and self.process.poll() is None

    @property
    def name(self) -> str:
        """How its id begins in the ledger, if it is a worker."""
        return worker_id(f"{self.role}@storm", self.process.pid, "")

    def kill(self) -> None:
        """SIGKILL: it is started again soon."""
        self.doomed = True
        self.known.kill()


class Floor:
    """Everything that runs in a storm. To be used from one thread, with which it all dies."""

    def __init__(
        self, home: Path, servers: embedded.Servers, provider: Provider, disk: Disk | None = None
    ) -> None:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        self.home = home
        self.database_url, self.broker_url = servers.database_url, servers.broker_url
        self.record = home / "record"
        self.record.mkdir()
        self.servers = {server.program.name: server for server in servers.processes}
        self.provider = provider
        #: What PostgreSQL's tables are on; None where it cannot be filled.
        self.disk = disk
        #: Servers, and the clock, that a fault has at present: others wait for it to be over.
        self.struck: set[str] = set()
        self.redis = waiting_tickets.client(servers.broker_url)
        self.redis_hangs = False
        self.programs: dict[str, Hand] = {}
        #: When each ticket was last seen to stand in Redis.
        self.sighted: dict[str, float] = {}
        #: What ended though nobody had struck it: role, exit code and last words.
        self.deaths: list[str] = []
        #: Workers that ended to be replaced: when, and their pid.
        self.replaced: list[tuple[float, int]] = []
        self.queues = {queue for recipe in load_folder(RECIPES).values() for queue in recipe.queues}
        self._starts = 0

    def staff(self) -> None:
        """Start every dispatcher, watch and worker."""
        for role in (*DISPATCHERS, *WATCHES, *WORKERS):
            self.programs[role] = self._start(role)

    def tend(self) -> None:
        """Start again what has been gone for a moment."""
        for role, hand in self.programs.items():
            code = hand.process.poll()
            if code is None:
                continue
            if hand.gone_since is None:
                hand.gone_since = time.monotonic()
                if code == REPLACE:
                    self.replaced.append((time.time(), hand.process.pid))
                elif not hand.doomed:
                    words = processes.last_words(self.home, hand.log.stem)
                    self.deaths.append(f"{role} (pid {hand.process.pid}) ended with {code}: {words}")
            elif time.monotonic() - hand.gone_since > RESTART_SECONDS:
                self.programs[role] = self._start(role)

    def grown_workers(self) -> list[Hand]:
        """The workers that run, and have for long enough."""
        return [
            hand
            for role, hand in self.programs.items()
            if role in WORKERS
            and hand.lives
            and not hand.stopped
            and time.monotonic() - hand.born > GROWN_SECONDS
        ]

    def has_worked(self, process: psutil.Process) -> bool:
        """Whether this process has executed anything yet."""
        return (self.record / f"{process.pid}.jsonl").exists()

    def leader(self, daemon: str) -> tuple[Hand, float] | None:
        """The process that came to lead last in a daemon and still runs, and since when."""
        rows = [
            (since, role)
            for role in LEADERS[daemon]
            if self.programs[role].lives
            and (since := _leading_since(self.programs[role].log, daemon)) is not None
        ]
        if not rows:
            return None
        since, role = max(rows)
        return self.programs[role], since

    def sight(self) -> bool:
        """Note which tickets stand in Redis; whether there are any. One that hangs is not asked."""
        at = time.time()
        if self.redis_hangs:
            return False
        try:
            result = waiting_tickets.tickets(self.redis, self.queues)
        except redis.RedisError:
            return False
        self.sighted.update(dict.fromkeys(result, at))
        return bool(result)

    def renew(self, name: str) -> None:
        """Start a server again that is gone; it may take a moment to answer."""
        program = self.servers[name].program
        self.servers[name] = Server(program, program.start())

    def answers(self, name: str) -> bool:
        """Whether a server is ready."""
        server = self.servers[name]
        assert server.program.ready is not None
        return server.program.ready(server.process.pid)

    def orphans(self) -> list[psutil.Process]:
        """Processes of this storm whose parent is gone."""
        ours = {hand.process.pid for hand in self.programs.values()}
        return [process for process in self._all() if process.pid not in ours and _adopted(process, ours)]

    def dismiss(self) -> None:
        """End everybody, and leave the servers as they are."""
        for hand in self.programs.values():
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                hand.known.kill()
            hand.process.wait()
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def end(self) -> None:
        """End everything, the servers last."""
        self.dismiss()
        self.redis.close()
        for server in sorted(self.servers.values(), key=lambda server: server.program.rank):
            with suppress(ProcessLookupError):
                server.process.send_signal(signal.SIGCONT)
            processes.end(server.process, server.program.stops)

    def _all(self) -> Iterator[psutil.Process]:
        """Every process that carries this storm's mark, anyone who its parent is by now."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(FOLDER) == str(self.record):
                    yield process

    def _start(self, role: str) -> Hand:
        self._starts += 1
        log = processes.log_file(self.home, f"{role}.{self._starts}")
        if role in WORKERS:
            pool, slots = WORKERS[role]
            words = ["celery", "-A", "workers", "worker", "-P", pool, "-c", str(slots), "-n", f"{role}@storm"]
        else:
            words = ["hms_floor", "ops" if role in WATCHES else "act", "run"]
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HMS_")},
            "HMS_HOME": str(self.home),
            "HMS_DATABASE_URL": self.database_url,
            "HMS_BROKER_URL": self.broker_url,
            "HMS_RECIPES": str(RECIPES),
            "HMS_EVENTS_NETWORKS": "127.0.0.0/8",
            "HMS_TEXTS_PER_SECOND": str(TEXTS_PER_SECOND),
            **self.provider.environment(),
            "HMS_LOG_LEVEL": "WARNING" if role in WORKERS else "INFO",
            "PYTHONPATH": str(RECIPES.parents[2]),
            FOLDER: str(self.record),
        }
        process = processes.spawn([sys.executable, "-m", *words], log=log, env=environment, cwd=self.home)
        return Hand(role, process, log, psutil.Process(process.pid))


@contextmanager
def standing(home: Path) -> Iterator[Floor]:
    """Servers that keep what they promise (fsync is on), and everything that the block starts on them.

    Not the fast ones: those acknowledge commits that an immediate shutdown then forgets.
    """
    with processes.hold(home), Provider.start(home) as provider, ExitStack() as held:
        embedded.stop(embedded.start(home, broker=False))  # makes the cluster
        disk = small(home, home / "postgres")
        if disk is not None:
            held.callback(disk.take_away)
        servers = embedded.start(home)
        floor = Floor(home, servers, provider, disk)
        try:
            yield floor
        finally:
            floor.end()


def _leading_since(log: Path, daemon: str) -> float | None:
    if not log.exists():  # it has only just been started
        return None
    lines = [json.loads(line) for line in log.read_text().splitlines() if f'"{daemon}: leading (' in line]
    return datetime.fromisoformat(lines[-1]["timestamp"]).timestamp() if lines else None


def _adopted(process: psutil.Process, ours: set[int]) -> bool:
    with suppress(psutil.Error):
        return process.ppid() not in ours and process.ppid() != os.getpid()
    return False
