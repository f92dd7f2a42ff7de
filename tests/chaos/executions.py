"""The executions' own record: a line when a step begins and one when it ends, apart from the ledger.

Each process appends to a file of its own, one write a line, so that what a killed one had begun is known.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The environment variable that names the folder of the record.
FOLDER = "CHAOS_RECORD"

#: How an execution may end by its own account; None where its end was never written.
DONE, FAILED, LEFT = "done", "failed", "left"


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of a step: `run` names it, `parent` is the worker (its own parent in a prefork pool).

    Times are those of the machine's clock, which is PostgreSQL's too.
    """

    run: str
    job: int
    step: str
    attempt: int
    pid: int
    parent: int
    begin: float
    end: float | None
    how: str | None


class Record:
    """Where a process writes down what it executes; `folder` is shared by all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[int, int] = {}

    def begin(self, job: int, step: str, attempt: int, parent: int) -> str:
        """Write down that an execution begins, and return its name."""
        run = uuid.uuid4().hex
        self._write({"run": run, "job": job, "step": step, "attempt": attempt, "parent": parent})
        return run

    def end(self, run: str, how: str) -> None:
        """Write down that an execution ends, before anything is reported."""
        self._write({"run": run, "how": how})

    def _write(self, line: dict[str, Any]) -> None:
        pid = os.getpid()
        if pid not in self._files:  # a forked child opens its own
            path = self.folder / f"{pid}.jsonl"
            self._files[pid] = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        whole = json.dumps({**line, "pid": pid, "at": time.time()}) + "\n"
        os.write(self._files[pid], whole.encode())


def read(folder: Path) -> list[Execution]:
    """Every execution on record, in the order of their beginnings."""
    begun: dict[str, dict[str, Any]] = {}
    ended: dict[str, dict[str, Any]] = {}
    for line in _lines(folder):
        (ended if "how" in line else begun)[line["run"]] = line
    rows = [
        Execution(
            run=run,
            job=line["job"],
            step=line["step"],
            attempt=line["attempt"],
            pid=line["pid"],
            parent=line["parent"],
            begin=line["at"],
            end=ended[run]["at"] if run in ended else None,
            how=ended[run]["how"] if run in ended else None,
        )
        for run, line in begun.items()
    ]
    return sorted(rows, key=lambda execution: execution.begin)


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open() as file:
            for line in file:
                yield json.loads(line)
