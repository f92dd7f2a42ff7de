"""CPU time of processes, with that of their children."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import psutil

#: The CPU time of groups of processes, in milliseconds a job.
Cpu = Mapping[str, float]


class Meter:
    """Measures what groups of processes spend from now on."""

    def __init__(self, pids: Mapping[str, Sequence[int]]) -> None:
        self._pids = pids
        self._before = self._now()

    def ms_per_job(self, jobs: int) -> Cpu:
        """The CPU time of each group since the beginning, in milliseconds a job."""
        now = self._now()
        return {group: 1000 * (now[group] - before) / jobs for group, before in self._before.items()}

    def _now(self) -> dict[str, float]:
        return {group: sum(map(_seconds, pids)) for group, pids in self._pids.items()}


def tree(pid: int) -> Iterator[psutil.Process]:
    """A process, and those that it and its children have started."""
    root = psutil.Process(pid)
    yield root
    yield from root.children(recursive=True)


def spent(process: psutil.Process) -> float:
    """The CPU seconds of one process, and of its children that are gone. Raises NoSuchProcess."""
    return sum(process.cpu_times()[:4])


def _seconds(pid: int) -> float:
    total = 0.0
    for process in tree(pid):
        with suppress(psutil.NoSuchProcess):
            total += spent(process)
    return total
