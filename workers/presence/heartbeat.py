"""The process that tells the ledger, every two seconds, that its worker is there.

It is a process of its own, since a step may hold the interpreter of a worker for many seconds (a regular
expression, a PDF) without being lost. It reads from standard input what the worker says of itself, one JSON
object a line, and writes one answer a heartbeat. It ends with its worker, and is silent for a stopped one.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from typing import Any

import psutil
import psycopg2

from hms_oms.database import connections
from hms_oms.database.reconnecting import Line
from hms_oms.jobs import workers
from hms_oms.jobs.workers import BEAT_SECONDS, Beat
from hms_oms.runtime import logs, settings

log = logging.getLogger(__name__)

#: How soon a heartbeat that failed is tried again, in seconds: a silence is taken for death.
AGAIN_SECONDS = 0.2
#: A worker that has said nothing for this long hangs, in seconds; no step should hold the interpreter longer.
HUNG_SECONDS = 60.0
_STOPPED = (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP, psutil.STATUS_ZOMBIE)


def main() -> None:
    """Send heartbeats until standard input ends."""
    configured = settings.load()
    logs.configure(configured, "heartbeat")
    worker = psutil.Process(os.getppid())
    line = Line(configured.servers()[0], f"hms heartbeat {os.getppid()}")
    said = _Said()
    psutil.cpu_percent()
    due = 0.0
    while said.listen(max(0.0, due - time.monotonic())):
        if time.monotonic() < due or said.newest is None:
            continue
        answer = _beat(line, said, worker)
        due = time.monotonic() + (BEAT_SECONDS if "given_up" in answer else AGAIN_SECONDS)
        if answer:
            print(json.dumps(answer), flush=True)  # noqa: T201 -- standard output is how the worker is answered


class _Said:
    """What the worker has said of itself, and when."""

    def __init__(self) -> None:
        self.newest: dict[str, Any] | None = None
        self.at = 0.0
        self._rest = b""

    def listen(self, seconds: float) -> bool:
        """Wait that long for something new; False once the worker has closed its end."""
        ready, _, _ = select.select([sys.stdin.buffer], [], [], seconds)
        if not ready:
            return True
        piece = os.read(sys.stdin.fileno(), 1 << 20)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if lines:
            self.newest, self.at = json.loads(lines[-1]), time.monotonic()
        return bool(piece)


def _beat(line: Line, said: _Said, worker: psutil.Process) -> dict[str, Any]:
    """Send one heartbeat; the answer for the worker, or nothing if the worker shows no life."""
    age = time.monotonic() - said.at
    try:
        if age > HUNG_SECONDS or worker.status() in _STOPPED:
            return {}
        assert said.newest is not None
        cpu, memory = psutil.cpu_percent(), psutil.virtual_memory().percent
        beat = Beat(
            **said.newest,
            cpu_percent=cpu,
            rss_bytes=worker.memory_info().rss,
            memory_percent=memory,
            tickets_age=age,
        )
        return {"given_up": workers.beat(line.connection(), beat), "load": [cpu, memory]}
    except psutil.NoSuchProcess:
        return {}
    except psycopg2.Error as error:
        line.drop()
        away = connections.is_gone(error)
        log.warning("no heartbeat: %s", "the database is away" if away else type(error).__name__)
        return {"away": away}


if __name__ == "__main__":
    main()
