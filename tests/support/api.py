"""An API of its own: the real server as a process, forked from one that has imported it already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import httpx

from hms_floor.auth import tokens
from hms_oms.runtime import settings
from hms_oms.runtime.settings import Settings
from tests.conftest import RECIPES, wait_until

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["hms_floor.serve", "hms_floor.api.app", "hms_floor.pages.mount"])


@dataclass
class RunningApi:
    """An API that is open: where it is, what it was started with, and its process."""

    url: str
    settings: Settings
    process: BaseProcess

    def badge(self, *roles: str, actor: str = "ann@example.gov", queues: Sequence[str] = ()) -> str:
        """A badge with these roles."""
        given = [tokens.Role(role) for role in roles]
        return tokens.issue(self.settings, actor=actor, roles=given, queues=list(queues), hours=1).token

    def environment(self, badge: str | None = None) -> dict[str, str]:
        """What a program needs to find this API; with the badge of its home unless another is given."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
        return kept | self.found | ({"HMS_BADGE": badge} if badge else {})

    @property
    def found(self) -> dict[str, str]:
        """Where this API and its home are."""
        return {"HMS_URL": self.url, "HMS_HOME": str(self.settings.home)}


@contextmanager
def standing(
    database: str, broker: str, home: Path, recipes: Path = RECIPES, port: int | None = None, **also: str
) -> Iterator[RunningApi]:
    """An API on a database for as long as the block lasts; `also` are further settings."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HMS_")},
        "HMS_HOME": str(home),
        "HMS_DATABASE_URL": database,
        "HMS_BROKER_URL": broker,
        "HMS_RECIPES": str(recipes),
        "HMS_FLOOR_PORT": str(port or free_port()),
        "HMS_FLOOR_RATE": "1000000",
        **also,
    }
    configured = settings.load(environment)
    home.mkdir(mode=0o700, exist_ok=True)
    log = home / "floor.log"
    process = _FORKS.Process(target=_run, args=(environment, log))
    process.start()
    url = f"http://127.0.0.1:{configured.floor_port}"
    try:
        wait_until(lambda: _answers(url) or not process.is_alive(), "the API to open")
        assert process.is_alive(), log.read_text()
        yield RunningApi(url, configured, process)
    finally:
        process.terminate()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _run(environment: dict[str, str], log: Path) -> None:
    """Be `hms floor run`."""
    from hms_floor.cli import main

    # The server ends by the signal that it was sent; semaphores are given back by those who exit.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    main(["floor", "run"], prog_name="hms")
