"""An API for the tests: a real server process on the test's own ledger, badges, and a way to ask."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg2.errors import DeadlockDetected
from sqlalchemy.exc import DBAPIError

from hms_floor.auth import tokens
from hms_floor.auth.tokens import Role
from hms_oms.database import connections as database_connections
from hms_oms.runtime.settings import Settings
from tests.conftest import RECIPES, Programs, wait_until
from tests.support.databases import Databases
from tests.support.programs import Program

ALL = tuple(Role)
#: Tables that keep their rows from one test to the next.
KEPT = (
    *("hms_revision", "clock", "oms.installation", "oms.package_revisions"),
    *("oms.queues", "oms.calendars", "oms.recipes", "oms.retention_rules", "oms.slas"),
)
#: So often the ledger is emptied, should the API just read the tables in another order.
TRIES = 5


@dataclass
class ApiServer:
    """A server process and the ways to it."""

    url: str
    settings: Settings
    process: Program
    client: httpx.Client = field(repr=False)

    def badge(self, *roles: Role, queues: Sequence[str] = ("*",), actor: str = "ann") -> str:
        """A badge with these roles, all of them without any."""
        return tokens.issue(self.settings, actor=actor, roles=roles or ALL, queues=queues, hours=1).token

    def ask(self, method: str, path: str, body: Any = None, *roles: Role, **options: Any) -> httpx.Response:
        """Ask with a badge of these roles (all without any); `body` is sent as JSON."""
        badge = options.pop("badge", None) or self.badge(*roles, queues=options.pop("queues", ("*",)))
        headers = {"Authorization": f"Bearer {badge}", **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return self.client.request(method, path, headers=headers, **options)

    def get(self, path: str, *roles: Role, **options: Any) -> Any:
        """What is at an address; it must be there."""
        answer = self.ask("GET", path, None, *roles, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, data: bytes, *, patience: float = 15.0, source: str = "127.0.0.1") -> bytes:
        """Send bytes as they are, and return all that is answered until the API hangs up."""
        with self.connect(patience, source) as line:
            line.sendall(data)
            return receive_all(line)

    def connect(self, patience: float = 15.0, source: str = "127.0.0.1") -> socket.socket:
        """A raw connection; on Linux any address of 127.0.0.0/8 may be its source."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        return socket.create_connection((host, int(port)), timeout=patience, source_address=(source, 0))

    def lives(self) -> bool:
        """Whether the server is up and answers."""
        return self.process.poll() is None and self.client.get("/livez").status_code == 200


def receive_all(line: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    result = b""
    try:
        while piece := line.recv(65536):
            result += piece
    except ConnectionResetError:
        pass
    return result


def start(url: str, broker: str, home: Path, **environment: str) -> ApiServer:
    """Start an API on a database, and wait until it answers."""
    programs = Programs(url, broker, home)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = {"HMS_FLOOR_PORT": str(port), "HMS_TIMEZONE": "America/Chicago", **environment}
    process = programs.start("floor", "-m", "hms_floor", "floor", "run", **environment)
    address = f"http://127.0.0.1:{port}"
    client = httpx.Client(base_url=address, timeout=60.0, verify=False)
    settings = Settings(home=home, database_url=url, broker_url=broker, recipes=RECIPES)

    def answers() -> bool:
        assert process.poll() is None, programs.said("floor")
        try:
            return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(answers, "the API to answer", 60.0)
    return ApiServer(address, settings, process, client)


@pytest.fixture(scope="module")
def open_api(
    module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., ApiServer]]:
    """Open an API on the module's ledger, with settings of its own."""
    opened: list[ApiServer] = []

    def make(**environment: str) -> ApiServer:
        home = tmp_path_factory.mktemp("api")
        opened.append(start(module_database, "redis://127.0.0.1:1/0", home, **environment))
        return opened[-1]

    yield make
    for api_server in opened:
        api_server.client.close()
        api_server.process.terminate()
        api_server.process.wait(20)


@pytest.fixture(scope="module")
def standing_api(open_api: Callable[..., ApiServer]) -> ApiServer:
    """The API of a module: to start one takes a while."""
    return open_api()


@pytest.fixture
def database(module_database: str, databases: Databases) -> str:
    """The module's ledger, with nothing but queues and recipes in it."""
    for left in reversed(range(TRIES)):
        try:
            with database_connections.engine(module_database).begin() as connection:
                connection.exec_driver_sql(databases.emptying(KEPT) + _AS_AT_FIRST)
            break
        except DBAPIError as error:
            if not isinstance(error.orig, DeadlockDetected) or not left:
                raise
    return module_database


@pytest.fixture
def api_server(standing_api: ApiServer, database: str) -> ApiServer:
    """An API on an empty ledger."""
    assert standing_api.process.poll() is None, "a test before this one has brought the API down"
    return standing_api


@pytest.fixture
def order(api_server: ApiServer) -> Callable[..., str]:
    """Start an order of the shop, and return its id."""

    def place(number: int, **more: Any) -> str:
        document = {"jobType": "shop:order:v1", "payload": {"number": number, **more}}
        answer = api_server.ask("POST", "/jobs", document)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["jobId"])

    return place


def faults(answer: httpx.Response) -> dict[str, str]:
    """The fields that an answer blames, with the reasons."""
    assert answer.headers["content-type"] == "application/problem+json"
    document = json.loads(answer.content)
    assert document["status"] == answer.status_code
    return {item["field"]: item["reason"] for item in document.get("errors", ())}


# What was registered stays, and has the SLAs and limits that it had.
_AS_AT_FIRST = """
update public.clock set shift = '0' where shift <> '0';
do $$ begin
    if exists (select from oms.slas where set_by <> 'recipe' or minutes <> 30) then
        truncate oms.slas restart identity;
        insert into oms.slas (queue, minutes, set_by) select name, 30, 'recipe' from oms.queues;
    end if;
end $$;
update oms.queues set paused_at = null, paused_by = null, pause_reason = null, window_size = null,
    starts_per_minute = null
where paused_at is not null or window_size is not null or starts_per_minute is not null;
"""


def counted(api_server: ApiServer) -> dict[str, float]:
    """The samples of `/metrics`, by name and labels."""
    lines = api_server.ask("GET", "/metrics", None, Role.VIEWER).text.splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}
