"""`hms up`: a whole floor on this machine, with private servers where the settings name none.

home/servers.json     the addresses of the servers, for other `hms` commands; there while the floor is up
home/badge, badge.key the badge of the person who started the floor, and the key that badges are signed with
home/flower.password  the password of Flower's user `hms`, made once
home/flower.port      Flower's port, kept where it is free; floor.port likewise
home/log/NAME.log     what each program has to say
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hms_floor import private_files
from hms_floor.auth import local_token
from hms_floor.local import embedded, flower_place, processes
from hms_floor.local.listening import bound, free_port, url
from hms_floor.local.processes import Program
from hms_floor.local.supervisor import Supervisor
from hms_oms.database import connections, health
from hms_oms.jobs import workers
from hms_oms.runtime.settings import SERVERS_FILE, Settings

Say = Callable[[str], None]
#: Makes the list of programs from the settings, the database URL and the broker URL.
Floor = Callable[[Settings, str, str, Say], Sequence[Program]]

#: Seconds for all programs to be ready.
READY_SECONDS = 60.0
#: Seconds that a worker gets to finish the steps it has begun.
WORKER_SECONDS = 30.0

# Programs are started here, so that `workers` and `celeryconfig` are ours wherever the user stands.
_ROOT = Path(__file__).resolve().parent.parent.parent


def run(
    settings: Settings,
    *,
    prepare: Callable[[str], object],
    when_ready: Callable[[], int | None] | None = None,
    say: Say = print,
    floor: Floor | None = None,
) -> int:
    """Bring the floor up, keep it up, and return the exit code when all of it is stopped again.

    `prepare` gets the database URL and brings the database to what this code needs. `when_ready` is
    called once everything is up: if it returns a number the floor stops and this is the exit code,
    else the floor stays up until SIGINT, SIGTERM or SIGHUP; another SIGINT while it stops makes it hurry.
    Call it from the main thread. Raises HomeBusy, ServerFailed and NotReady.
    """
    home = settings.home.resolve()
    say = partial(_tell, say)
    with processes.hold(home), _Signals() as signals, contextlib.ExitStack() as floors:
        for name in processes.end_leftovers(home):
            say(f"ended {name}, which a killed floor had left behind")
        supervisor = Supervisor(home, say=say, over=signals.give_up)
        try:
            database_url, broker_url = _servers(settings, supervisor)
            prepare(database_url)
            # Bound before anybody is told of it, and kept: nobody else can ever answer there.
            listening = floors.enter_context(bound(settings, home))
            settings = replace(settings, floor_port=listening.getsockname()[1])
            urls = {
                "database_url": database_url,
                "broker_url": broker_url,
                "floor_url": url(settings.floor_host, settings.floor_port),
            }
            if settings.badge_jwks is None:
                local_token.make(home, settings)
            private_files.write_private(home / SERVERS_FILE, json.dumps(urls))
            programs = (floor or partial(whole_floor, listening=listening))(
                settings, database_url, broker_url, say
            )
            for program in programs:
                supervisor.keep(program)
            supervisor.await_ready(READY_SECONDS)
            say(f"the floor is up in {home} ({', '.join(program.name for program in programs)})")
            code = when_ready() if when_ready else None
            return signals.wait() if code is None else code
        except KeyboardInterrupt:
            return 128 + signals.last
        finally:
            signals.when_asked = supervisor.hurry
            say("stopping; workers finish the steps they have begun (Ctrl-C: do not wait)")
            (home / SERVERS_FILE).unlink(missing_ok=True)
            supervisor.stop()


def whole_floor(
    settings: Settings, database_url: str, broker_url: str, say: Say, *, listening: socket.socket
) -> list[Program]:
    """The programs of a floor: workers, dispatcher, watch, API (with the `listening` socket), Flower."""
    home = settings.home.resolve()
    floor_url = url(settings.floor_host, settings.floor_port)
    flower_port = free_port(home, "flower", settings.flower_port, insist=settings.flower_port != 0)
    flower_place.password(home)
    place = f"{settings.public_url} (on this machine: {floor_url})" if settings.public_url else floor_url
    say(f"Operations floor: {place}")
    say(f"Flower: {settings.public_url or floor_url}{flower_place.PATH}/ (signed in as on the floor)")
    environment = {
        **os.environ,
        "HMS_HOME": str(home),
        "HMS_DATABASE_URL": database_url,
        "HMS_BROKER_URL": broker_url,
        "HMS_RECIPES": str(settings.recipes.resolve()),
        "HMS_LOG_LEVEL": settings.log_level,
        "HMS_LOG_FORMAT": settings.log_format,
        "HMS_FLOOR_HOST": settings.floor_host,
        "HMS_FLOOR_PORT": str(settings.floor_port),
        "HMS_FLOWER_PORT": str(flower_port),
        "HMS_URL": floor_url,
        "PYTHONUNBUFFERED": "1",
    }

    def program(name: str, *words: str, **options: Any) -> Callable[[], processes.Child]:
        log = processes.log_file(home, name)
        # What they write under the home may hold names and phone numbers: it is for its owner only.
        return partial(
            processes.spawn,
            [sys.executable, "-m", *words],
            log=log,
            cwd=_ROOT,
            env=environment,
            umask=0o077,
            **options,
        )

    fd = listening.fileno()
    pool = ("-P", settings.worker_pool, "-c", str(settings.worker_slots), "--loglevel", settings.log_level)
    # What gossip and mingle tell workers about each other, the ledger knows.
    worker = ("celery", "-A", "workers", "worker", "--without-gossip", "--without-mingle", *pool)
    beside = ("celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={flower_port}")
    return [
        *(
            Program(
                name,
                program(name, *worker, "-n", f"{name}@%h"),
                stops=((signal.SIGTERM, WORKER_SECONDS), (signal.SIGKILL, 5.0)),
                ready=partial(_beats, database_url),
            )
            for name in (f"worker-{number}" for number in range(1, settings.workers + 1))
        ),
        *(
            Program(
                daemon,
                program(daemon, "hms_floor", daemon, "run"),
                rank=1,
                ready=partial(_is_led, database_url, daemon),
            )
            for daemon in ("act", "ops")
        ),
        Program(
            "floor",
            program("floor", "hms_floor", "floor", "run", "--fd", str(fd), pass_fds=(fd,)),
            rank=1,
            ready=lambda _: _lives(floor_url),
        ),
        Program("flower", program("flower", *beside), rank=1, ready=partial(_listens, flower_port)),
    ]


def _tell(say: Say, line: str) -> None:
    # The terminal may be gone; that must not keep anything from being stopped in order.
    with contextlib.suppress(OSError):
        say(line)


def _servers(settings: Settings, supervisor: Supervisor) -> tuple[str, str]:
    """The servers that the settings name, and private ones for the rest."""
    # A killed floor leaves its servers.json behind, and the settings then name servers that are gone.
    stale = embedded.addresses(settings.home)
    database_url = None if settings.database_url == stale[0] else settings.database_url
    broker_url = None if settings.broker_url == stale[1] else settings.broker_url
    servers = embedded.start(settings.home, database=database_url is None, broker=broker_url is None)
    for server in servers.processes:
        supervisor.keep(server.program, server.process)
    database_url, broker_url = database_url or servers.database_url, broker_url or servers.broker_url
    assert database_url is not None
    assert broker_url is not None
    return database_url, broker_url


def _ledger_says(database_url: str, look: Callable[[Connection], bool]) -> bool:
    try:
        with connections.engine(database_url).connect() as connection:
            return look(connection)
    except DBAPIError:
        return False


def _beats(database_url: str, pid: int) -> bool:
    return _ledger_says(
        database_url, lambda ledger: any(worker.pid == pid for worker in workers.live(ledger))
    )


def _is_led(database_url: str, daemon: str, _: int) -> bool:
    return _ledger_says(
        database_url, lambda ledger: any(leader.daemon == daemon for leader in health.leaders(ledger))
    )


def _lives(floor_url: str) -> bool:
    """Whether the API answers at our own socket."""
    asking = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with asking.open(f"{floor_url}/livez", timeout=1.0) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False


def _listens(port: int, pid: int) -> bool:
    """Whether it is the process `pid` that listens there, and not a stranger."""
    try:
        open_ones = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(
        connection.status == psutil.CONN_LISTEN and connection.laddr.port == port for connection in open_ones
    )


class _Signals:
    """Signals to stop: an interrupt at first, a word to who waits, a push once everything stops."""

    def __init__(self) -> None:
        self.last = 0
        self.when_asked: Callable[[], None] = self._interrupt
        # The one kind of queue that may be used from a signal handler.
        self._words: queue.SimpleQueue[int] = queue.SimpleQueue()
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as `nohup` has it
            numbers.append(signal.SIGHUP)
        self._before = {number: signal.signal(number, self._hear) for number in numbers}

    def __enter__(self) -> _Signals:
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def wait(self) -> int:
        """Sleep until a signal comes, or there is nothing to wait for; return the exit code."""
        self.when_asked = lambda: self._words.put(0)
        # Anyone who catches a SIGINT while the floor is up may go on; the other signals mean all of us.
        return self._words.get() if self.last in (0, signal.SIGINT) else 0

    def give_up(self) -> None:
        """Have anyone who waits return a failure."""
        self._words.put(1)

    def _hear(self, number: int, _: FrameType | None) -> None:
        self.last = number
        self.when_asked()

    def _interrupt(self) -> None:
        raise KeyboardInterrupt
