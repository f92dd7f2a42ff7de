"""A process's own sign of life: a small file in HMS_HOME/alive that it renews, for probes on the same host.

It says nothing of any other process or server: a probe may end what has hung, and restarting one process
mends no database. Moments are those of the host's monotonic clock, which no change of the time moves.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FOLDER = "alive"
#: How often a sign is renewed, in seconds ...
RENEW_SECONDS = 2.0
#: ... and how old one may become before its process is taken to hang: a turn may wait for a database that is
#: frozen, and a restart would not mend that.
HANGS_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Life:
    """A process as its last sign has it; `age` is how old that is, in seconds."""

    program: str
    pid: int
    state: str
    age: float
    exists: bool

    @property
    def alive(self) -> bool:
        """Whether the process is there and does not hang."""
        return self.exists and self.age <= HANGS_SECONDS


class Sign:
    """Renews the sign of one process; a home that cannot be written to is passed over."""

    def __init__(self, home: Path, program: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = home / FOLDER / f"{program}-{os.getpid()}.json"
        self._program = program
        self._clock = clock
        self._said: tuple[str, float] = ("", float("-inf"))

    def renew(self, state: str) -> None:
        """Say that the process is there, and what it does; costs nothing if it was just said."""
        now = self._clock()
        if state == self._said[0] and now - self._said[1] < RENEW_SECONDS:
            return
        self._said = (state, now)
        document = {"program": self._program, "pid": os.getpid(), "state": state, "at": now}
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_text(json.dumps(document))
            fresh.replace(self._path)
        except OSError:
            # A probe then says that there is no sign.
            return

    def end(self) -> None:
        """Take the sign away: the process ends in good order."""
        self._path.unlink(missing_ok=True)


def read(home: Path, program: str, clock: Callable[[], float] = time.monotonic) -> list[Life]:
    """The processes of this program that have left a sign, by pid; what a killed one left is taken away."""
    lives = []
    for path in sorted((home / FOLDER).glob(f"{program}-*.json")):
        try:
            document = json.loads(path.read_text())
            life = Life(
                program,
                int(document["pid"]),
                str(document["state"]),
                clock() - float(document["at"]),
                _is_there(document["pid"]),
            )
        except (OSError, ValueError, LookupError, TypeError):
            continue
        lives.append(life)
    if any(life.alive for life in lives):
        for life in lives:
            if not life.exists:
                (home / FOLDER / f"{program}-{life.pid}.json").unlink(missing_ok=True)
        lives = [life for life in lives if life.exists]
    return lives


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
