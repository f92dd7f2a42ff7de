"""A point as a program passes it: what has been armed for it strikes here.

A point has two sides: before a statement or a call goes out, and after its answer has come. Each passage is
written down in the folder that FAILPOINTS names, where the tests say what is armed. Without it nothing of
this is installed.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

#: The environment variables that name the folder of a run, and the program that passes.
FOLDER, PROGRAM = "FAILPOINTS", "FAILPOINTS_PROGRAM"
#: What can be armed before a call, and after it.
BEFORE, AFTER = ("killed", "reset", "delayed"), ("killed", "lost")
#: The programs wait for each other so many times as briefly as in earnest.
HURRY = 2.5
#: How long a delay is, in seconds: longer than the lease of a leader, and than a silence of a worker.
DELAY_SECONDS = 7.0 / HURRY

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Point:
    """A side of a statement or a call of a program, the `count`-th time that it comes there in a run."""

    program: str
    call: str
    side: str
    count: int = 1

    def __str__(self) -> str:
        times = f" ({self.count})" if self.count > 1 else ""
        return f"{self.program}: {self.side} {self.call}{times}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a point."""

    point: Point
    kind: str

    def __str__(self) -> str:
        return f"{self.kind} {self.point}"


class Script:
    """The folder of a run: what is armed, what was reached, and what has struck."""

    def __init__(self, folder: Path) -> None:
        self._armed, self._reached, self._struck = (
            folder / name for name in ("armed.json", "reached", "struck")
        )

    def arm(self, *faults: Fault) -> None:
        """Begin a run: forget what was reached before, and arm these."""
        self._armed.unlink(missing_ok=True)
        self._reached.write_text("")
        self._struck.write_text("")
        whole = self._armed.with_suffix(".new")
        whole.write_text(json.dumps([asdict(fault) for fault in faults]))
        whole.replace(self._armed)

    def disarm(self) -> None:
        """End a run: nothing more strikes, and nothing is written down."""
        self._armed.unlink(missing_ok=True)

    def reached(self) -> list[Point]:
        """The points that were reached, in their order."""
        counts: dict[tuple[str, ...], int] = {}
        points = []
        for line in self._reached.read_text().splitlines():
            names = tuple(line.split("\t"))
            counts[names] = counts.get(names, 0) + 1
            points.append(Point(*names, counts[names]))
        return points

    def struck(self) -> list[Fault]:
        """The faults that have struck, in their order."""
        lines = map(json.loads, self._struck.read_text().splitlines())
        return [Fault(Point(**line["point"]), line["kind"]) for line in lines]

    def killed(self) -> set[int]:
        """The processes that were killed at a point."""
        if not self._struck.exists():
            return set()
        lines = map(json.loads, self._struck.read_text().splitlines())
        return {line["pid"] for line in lines if line["kind"] == "killed"}

    def passed(self, program: str, call: str, side: str) -> str | None:
        """Note that a program is at a point; what is to happen there."""
        try:
            armed = json.loads(self._armed.read_text())
        except FileNotFoundError:
            return None
        line = f"{program}\t{call}\t{side}\n"
        with self._reached.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(line)
            file.flush()
            file.seek(0)
            count = sum(other == line for other in file)
        here = asdict(Point(program, call, side, count))
        for fault in armed:
            if fault["point"] == here:
                with self._struck.open("a") as file:
                    file.write(json.dumps({**fault, "pid": os.getpid()}) + "\n")
                return str(fault["kind"])
        return None


class Points:
    """The points of this process."""

    def __init__(self, script: Script, program: str) -> None:
        self._script, self._program = script, program

    def around(
        self, call: str, work: Callable[[], Answer], cut: Callable[[], Any], lose: Callable[[], Any]
    ) -> Answer:
        """Do the work between its two points.

        `cut` cuts the connection, so that the work fails; `lose` raises as if no answer had come.
        """
        self.before(call, cut)
        answer = work()
        self.after(call, lose)
        return answer

    def before(self, call: str, cut: Callable[[], Any]) -> None:
        """Pass the point before a call."""
        kind = self._script.passed(self._program, call, "before")
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "delayed":
            time.sleep(DELAY_SECONDS)
        elif kind == "reset":
            cut()

    def after(self, call: str, lose: Callable[[], Any]) -> None:
        """Pass the point after it."""
        kind = self._script.passed(self._program, call, "after")
        if kind == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif kind == "lost":
            lose()


def of_process() -> Points:
    """The points of this process, by its environment."""
    return Points(Script(Path(os.environ[FOLDER])), os.environ[PROGRAM])
