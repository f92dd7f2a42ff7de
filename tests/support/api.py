"""An API of its own: the real server as a process."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hms_floor.auth import tokens
from hms_oms.runtime import settings
from hms_oms.runtime.settings import Settings
from tests.conftest import RECIPES, wait_until
from tests.support.programs import Program

#: The API as it is.
RUN = ("-m", "hms_floor", "floor", "run")


@dataclass
class RunningApi:
    """An API that is open: where it is, what it was started with, and its process."""

    url: str
    settings: Settings
    process: Program

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
    database: str,
    broker: str,
    home: Path,
    recipes: Path = RECIPES,
    port: int | None = None,
    program: Sequence[str] = RUN,
    **also: str,
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
    process = Program(program, environment, log, home, clean=True)
    port = configured.floor_port
    try:
        wait_until(lambda: answers(port) or process.poll() is not None, "the API to open")
        assert process.poll() is None, log.read_text()
        yield RunningApi(f"http://127.0.0.1:{port}", configured, process)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    """Whether an API that listens at this port says that it lives."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
