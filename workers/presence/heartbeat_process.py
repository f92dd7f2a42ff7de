"""The process that sends a worker's heartbeats, as its worker sees it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from typing import Any

from hms_oms.jobs import workers
from hms_oms.jobs.tickets import Ticket
from workers.presence.host_load import HostLoad

log = logging.getLogger(__name__)


class Heartbeat:
    """The process that sends the heartbeats, started again should it end."""

    def __init__(self, host: HostLoad) -> None:
        self._host = host
        self._process: subprocess.Popen[bytes] | None = None
        self.recorded_at = time.monotonic()

    def tell(self, what: dict[str, Any]) -> None:
        """Say what is to be told of this worker."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "workers.presence.heartbeat"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
            assert self._process.stdout is not None
            os.set_blocking(self._process.stdout.fileno(), False)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            log.warning("the heartbeat process has ended; another is started")
            self._process.kill()

    def given_up(self) -> frozenset[Ticket]:
        """The steps that the ledger has given up, by the answers that have come."""
        if self._process is None or self._process.stdout is None:
            return frozenset()
        given_up: set[Ticket] = set()
        for line in (self._process.stdout.read() or b"").splitlines():
            answer = json.loads(line)
            if answer.get("away") is not False:
                # It arrived, or nobody's heartbeats arrive.
                self.recorded_at = time.monotonic()
            if "load" in answer:
                self._host.note(*answer["load"])
            given_up.update(map(Ticket.parse, answer.get("given_up", ())))
        return frozenset(given_up)

    def end(self) -> None:
        """End it with its worker."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(workers.BEAT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
