"""The API: jobs started over HTTP, a whole cycle sent in, and many who watch; one server process."""

from __future__ import annotations

import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil
from sqlalchemy import text

from benchmarks.processes import poll_until, running
from benchmarks.results import Result
from benchmarks.rounds import say
from hms_floor.auth import tokens as badges
from hms_floor.auth.tokens import Role
from hms_floor.cli.cycles.cycle import write_sample
from hms_floor.cli.installation import db
from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.recipes import recipes
from hms_oms.runtime.settings import Settings

STARTS_BAR, P99_BAR = 400.0, 100.0
CYCLE_BAR, MEMORY_BAR = 15.0, 200.0
STREAM_BAR = 15.0
WATCHERS = 200
CLIENTS = 16
ROWS = 100_000


@dataclass(frozen=True)
class ApiServer:
    """A server process and the way to it."""

    port: int
    pid: int
    settings: Settings

    def badge(self, actor: str) -> str:
        """A badge that may do everything."""
        return badges.issue(
            self.settings, actor=actor, roles=tuple(Role), queues=[badges.ANY_QUEUE], hours=1
        ).token

    def connect(self, seconds: float = 60.0) -> http.client.HTTPConnection:
        """A connection of its own, kept open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)


def measure(folder: Path, seconds: float, rounds: int) -> list[Result]:
    """Start jobs for so many seconds a round, then send in a cycle."""
    with api_server(folder) as opened:
        _start_for(opened, min(seconds, 2.0))
        figures = [_start_for(opened, seconds) for _ in range(rounds)]
        rates, waits = [rate for rate, _ in figures], [wait for _, wait in figures]
        say(f"API: {', '.join(f'{rate:,.0f}/s' for rate in rates)}")
        share, frames = _watch(opened, 2 * seconds)
        took, memory = _send_cycle(opened, folder)
    return [
        Result(
            "api",
            f"starting jobs over HTTP, {CLIENTS} clients, one server process",
            median(rates),
            "jobs/s",
            bar=STARTS_BAR,
            detail={"jobsPerSecond": [round(rate, 1) for rate in rates]},
        ),
        Result(
            "API-p99",
            "the slowest in a hundred of these starts",
            median(waits),
            "ms",
            bar=P99_BAR,
            at_most=True,
            detail={"milliseconds": [round(wait, 1) for wait in waits]},
        ),
        Result(
            "stream",
            f"{WATCHERS} watch the stream, everything changes once a second: share of one core",
            share,
            "%",
            bar=STREAM_BAR,
            at_most=True,
            note=f"{frames:.2f} frames a second each",
        ),
        Result("cycle", f"POST /cycles with {ROWS:,} rows", took, "s", bar=CYCLE_BAR, at_most=True),
        Result(
            "cycle-memory",
            "the most memory that the server had by then",
            memory,
            "MB",
            bar=MEMORY_BAR,
            at_most=True,
        ),
    ]


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """A server process on a ledger of its own, for as long as the block lasts."""
    home = folder / "api"
    with embedded.serving(home / "servers") as servers:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        settings = Settings(home=home, database_url=servers.database_url, broker_url=servers.broker_url)
        db.prepare(servers.database_url, recipes.load_folder(settings.recipes).values())
        badges.make_key(home)
        port = _free_port()
        environment = {
            "HMS_HOME": str(home),
            "HMS_DATABASE_URL": servers.database_url,
            "HMS_BROKER_URL": servers.broker_url,
            "HMS_FLOOR_PORT": str(port),
        }
        command = [sys.executable, "-m", "hms_floor", "floor", "run"]
        with running(home, {"floor": command}, environment) as (process,):
            opened = ApiServer(port, process.pid, settings)
            poll_until(lambda: _answers(opened), "the API does not answer")
            yield opened


def _start_for(opened: ApiServer, seconds: float) -> tuple[float, float]:
    """Jobs a second, and the 99th percentile of an answer in milliseconds.

    The clients are a process of their own, as they would be.
    """
    tokens = [opened.badge("intake") for _ in range(CLIENTS)]
    asked = json.dumps({"start": {"port": opened.port, "seconds": seconds, "badges": tokens}})
    done = subprocess.run(_CLIENTS, input=asked.encode(), stdout=subprocess.PIPE, check=True)
    waits = json.loads(done.stdout)
    return len(waits) / seconds, 1000 * quantiles(waits, n=100)[98]


def _watch(opened: ApiServer, seconds: float) -> tuple[float, float]:
    """The share of a core that the server spends on watchers, in percent, and frames a second for each."""
    engine = connections.engine(str(opened.settings.database_url))
    with engine.begin() as connection:
        connection.execute(_METRICS)
    process = psutil.Process(opened.pid)
    asked = {"port": opened.port, "seconds": seconds, "badge": opened.badge("watcher")}
    with subprocess.Popen(_CLIENTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watching:
        assert watching.stdin is not None
        assert watching.stdout is not None
        watching.stdin.write(json.dumps({"watch": asked}).encode())
        watching.stdin.close()
        watching.stdout.readline()
        before, began = process.cpu_times(), time.perf_counter()
        while time.perf_counter() - began < seconds:
            with engine.begin() as connection:
                connection.execute(text("update ops.metrics set value = value + 1, at = oms.now()"))
            time.sleep(1.0)
        after, passed = process.cpu_times(), time.perf_counter() - began
        frames = json.loads(watching.stdout.read())
    spent = after.user + after.system - before.user - before.system
    return 100 * spent / passed, frames / seconds / WATCHERS


def _watchers(asked: dict[str, Any]) -> int:
    """Watch on many lines; how many frames came after all of them had begun."""
    children = selectors.DefaultSelector()
    for _ in range(WATCHERS):
        line = socket.create_connection(("127.0.0.1", asked["port"]))
        head = f"GET /stream HTTP/1.1\r\nhost: API\r\nauthorization: Bearer {asked['badge']}\r\n\r\n"
        line.sendall(head.encode())
        while b"event: metrics" not in line.recv(1 << 20):
            pass
        children.register(line, selectors.EVENT_READ)
    print("all watch", flush=True)
    frames, ends = 0, time.perf_counter() + asked["seconds"]
    while (left := ends - time.perf_counter()) > 0:
        for ready, _ in children.select(left):
            frames += ready.fileobj.recv(1 << 20).count(b"event: metrics")  # type: ignore[union-attr]
    return frames


def _clients(asked: dict[str, Any]) -> list[float]:
    """Start jobs on one connection for each badge; how long each answer took, in seconds."""
    waits: list[float] = []
    ends = time.perf_counter() + asked["seconds"]
    children = [
        threading.Thread(target=_client, args=(asked["port"], badge, f"{place}-{os.getpid()}", ends, waits))
        for place, badge in enumerate(asked["badges"])
    ]
    for item in children:
        item.start()
    for item in children:
        item.join()
    return waits


def _client(port: int, badge: str, name: str, ends: float, waits: list[float]) -> None:
    line = socket.create_connection(("127.0.0.1", port))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    number = 0
    while (began := time.perf_counter()) < ends:
        number += 1
        payload = {
            "appId": number,
            "name": "Ann Lee",
            "phone": "515-555-0142",
            "countyFips": "19153",
            "crop": "corn",
            "acres": 120,
            "amountRequested": 30000,
            "submittedOn": "2026-11-20",
        }
        body = json.dumps({"jobType": "farm:grant:v1", "payload": payload, "key": f"{name}-{number}"})
        line.sendall(
            f"POST /jobs HTTP/1.1\r\nhost: API\r\nauthorization: Bearer {badge}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        _expect_created(line)
        waits.append(time.perf_counter() - began)
    line.close()


def _expect_created(line: socket.socket) -> None:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += line.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(answer.decode())
    [length] = [int(item[16:]) for item in head.split(b"\r\n") if item.startswith(b"content-length: ")]
    while len(body) < length:
        body += line.recv(65536)


def _send_cycle(opened: ApiServer, folder: Path) -> tuple[float, float]:
    """Seconds until a whole file is accepted, and the most memory of the server in MB."""
    path = folder / "cycle.csv"
    write_sample(path, ROWS, 7)
    line = opened.connect(120.0)
    most = [_memory(opened.pid)]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most.append(_memory(opened.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    headers = {"Authorization": f"Bearer {opened.badge('cycle')}", "Content-Type": "text/csv"}
    began = time.perf_counter()
    with path.open("rb") as file:
        line.request("POST", "/cycles?jobType=farm:grant:v1", file, headers, encode_chunked=True)
        answer = line.getresponse()
        document = json.loads(answer.read())
    took = time.perf_counter() - began
    done.set()
    watching.join()
    if answer.status != 201:
        raise RuntimeError(str(document))
    say(f"API: {document['accepted']:,} accepted, {document['refused']:,} refused in {took:.1f} s")
    return took, max(most) / 1e6


def _memory(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


def _answers(opened: ApiServer) -> bool:
    try:
        line = opened.connect(1.0)
        line.request("GET", "/readyz")
        return line.getresponse().status == 200
    except OSError:
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


#: As many as a floor of a dozen queues has.
_METRICS = text(
    "insert into ops.metrics (name, queue, value, source, at)"
    " select 'metric.' || name, 'farm-grant', 1, 'events', oms.now() from generate_series(1, 200) as name"
    " on conflict do nothing"
)
_CLIENTS = [sys.executable, "-m", "benchmarks.api"]

if __name__ == "__main__":
    asked_for = json.load(sys.stdin)
    answer = _clients(asked_for["start"]) if "start" in asked_for else _watchers(asked_for["watch"])
    json.dump(answer, sys.stdout)
