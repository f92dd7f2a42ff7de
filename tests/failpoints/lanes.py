"""A lane: a database, a Redis and programs for one run after the other; what is gone is started again."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hms_floor.auth import tokens
from hms_floor.cli.installation import preparing
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.recipes import recipes
from hms_oms.runtime import settings
from tests.chaos.executions import FOLDER as RECORD
from tests.failpoints.points import FOLDER, PROGRAM, Script
from tests.provider.driver import Provider
from tests.support.api import answers, free_port
from tests.support.programs import Program
from tests.webhooks.receiver import Receiver

RECIPES = Path(__file__).parent / "recipes"
KNOWN = recipes.load_folder(RECIPES)
#: The arguments of each program, and the names by which its sessions are known when it is at work.
_WORKER = [
    "celery",
    "-A",
    "workers",
    "worker",
    "-P",
    "threads",
    "-c",
    "2",
    "--without-mingle",
    "--without-gossip",
]
_FAR = ["far"]
_NEAR = sorted({queue for recipe in KNOWN.values() for queue in recipe.queues} - {*_FAR, "judges"})
PROGRAMS: dict[str, tuple[list[str], Collection[str]]] = {
    "act": (["hms_floor", "act", "run"], ["hms act leader"]),
    "worker": ([*_WORKER, "-n", "near@here", "-P", "threads", "-c", "2", "-Q", ",".join(_NEAR)], []),
    "far": ([*_WORKER, "-n", "far@here", "-P", "prefork", "-c", "1", "-Q", ",".join(_FAR)], []),
    "floor": (["hms_floor", "floor", "run"], []),
    "ops": (
        ["hms_floor", "ops", "run"],
        ["hms ops leader", "hms pager leader", "hms webhooks leader"],
    ),
}
#: A program whose calls are points.
_PRELUDE = (
    "import runpy, sys; from tests.failpoints import hooks; hooks.install();"
    " sys.argv = {words!r}; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
)
#: Seconds until a program is at work.
READY_SECONDS = 60.0


class Stalled(Exception):
    """Something that must come has not come."""


class Lane:
    """Where runs take place one after the other; to be used from one thread."""

    def __init__(
        self, home: Path, database_url: str, broker_url: str, provider: Provider, receiver: Receiver
    ) -> None:
        self.home, self.provider, self.receiver = home, provider, receiver
        self.record, points = home / "record", home / "points"
        for folder in (home, self.record, points):
            folder.mkdir(mode=0o700)
        self.script = Script(points)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        given = {
            "HMS_HOME": str(home),
            "HMS_DATABASE_URL": database_url,
            "HMS_BROKER_URL": broker_url,
            "HMS_RECIPES": str(RECIPES),
            "HMS_FLOOR_PORT": str(self._port),
            "HMS_FLOOR_RATE": "1000000",
            "HMS_LOG_LEVEL": "INFO",
            "HMS_EVENTS_NETWORKS": "127.0.0.0/8",
            **provider.environment(),
        }
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HMS_")},
            **given,
            "PYTHONPATH": os.pathsep.join(map(str, (RECIPES.parent / "site", RECIPES.parents[2]))),
            RECORD: str(self.record),
            FOLDER: str(points),
        }
        self.settings = settings.load(given)
        preparing.prepare(database_url, KNOWN.values())
        self.engine = connections.engine(database_url)
        with self.engine.begin() as connection:
            connection.exec_driver_sql("create table public.effects (job bigint, step text, run text)")
            # What is due by itself would come into a run that is not about it.
            connection.exec_driver_sql("update oms.schedules set cron = '0 0 1 1 *', next_at = 'infinity'")
        self.raw: RawConnection = connections.connect(database_url, "lane")
        #: One number for each run: the key of its job.
        self.numbers = itertools.count(1)
        self.programs: dict[str, Program] = {}
        #: What ended though nothing has killed it: the program with its exit code.
        self.deaths: list[str] = []
        self._killed: set[int] = set()

    def staff(self, names: Collection[str]) -> None:
        """Have these programs at work, and no others."""
        for name in list(self.programs):
            if name not in names:
                self._end(name)
        for name in names:
            if name not in self.programs:
                self._start(name)
            elif self.programs[name].pid in self.script.killed():
                # It is dying, and looks as if it were at work.
                self.programs[name].wait(10)
        self.tend()
        for name in names:
            self.wait(lambda name=name: self._is_at_work(name), f"{name} to be at work", READY_SECONDS)

    def tend(self) -> None:
        """Start again what has ended, as a supervisor would."""
        for name, program in self.programs.items():
            code = program.poll()
            if code is not None:
                if code != -signal.SIGKILL or program.pid not in self._killed | self.script.killed():
                    self.deaths.append(f"{name} ended with {code}")
                self._start(name)

    def wait(self, look: Callable[[], Any], what: str, seconds: float) -> Any:
        """Look until the answer is true, while what has ended is started again. Raises Stalled."""
        end, pause = time.monotonic() + seconds, 0.01
        while True:
            answer = look()
            if answer:
                return answer
            if time.monotonic() > end:
                raise Stalled(what)
            self.tend()
            time.sleep(pause)
            pause = min(1.2 * pause, 0.2)

    def badge(self, *roles: tokens.Role, queues: Collection[str] = ()) -> str:
        """A badge with these roles."""
        return tokens.issue(self.settings, actor="lane", roles=roles, queues=queues, hours=10).token

    def rows(self, query: str, **values: Any) -> list[Any]:
        """The rows that a query has."""
        with self.engine.begin() as connection:
            result = connection.execute(sa.text(query), values)
            return list(result.mappings()) if result.returns_rows else []

    def forward(self, seconds: float) -> None:
        """Let time pass, here and at the provider."""
        self.rows("update public.clock set shift = shift + :by", by=timedelta(seconds=seconds))
        self.provider.forward(seconds)

    def end(self) -> None:
        """End everything."""
        for name in list(self.programs):
            self._end(name)
        self.raw.close()
        self.engine.dispose()

    def kill(self, name: str) -> None:
        """End a program; with that of heartbeats, its worker."""
        program = self.programs["worker" if name == "heartbeat" else name]
        program.kill()
        program.wait(10)
        self._killed.add(program.pid)

    def _start(self, name: str) -> None:
        (module, *words), _ = PROGRAMS[name]
        program = _PRELUDE.format(words=[module, *words], module=module)
        self.programs[name] = Program(
            ["-c", program], {**self.environment, PROGRAM: name}, self.home / f"{name}.log", self.home
        )

    def _end(self, name: str) -> None:
        program = self.programs.pop(name)
        program.kill()
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.wait()

    def _is_at_work(self, name: str) -> bool:
        pid = self.programs[name].pid
        if name == "floor":
            return answers(self._port)
        if name in ("worker", "far"):
            query = "select from oms.workers where pid = :pid and beat_at > oms.now() - interval '3 s'"
            return bool(self.rows(query, pid=pid))
        query = (
            "select application_name from pg_stat_activity where datname = current_database()"
            " and application_name = any(:names)"
        )
        names = list(PROGRAMS[name][1])
        return len(self.rows(query, names=names)) == len(names)
