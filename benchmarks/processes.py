"""The processes of one side: started for one run, known to be ready, frozen and let go, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import Celery

from hms_floor.local.embedded import Servers
from hms_floor.local.processes import Child, last_words, log_file, spawn

ROOT = Path(__file__).resolve().parent.parent
#: Seconds for workers to answer, and for processes to end in good order.
READY_SECONDS = 60.0
END_SECONDS = 15.0
#: How often a condition is looked at, in seconds: the grain of every measured time.
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Setup:
    """A worker command: so many processes of this pool with so many slots each."""

    name: str
    slots: int
    processes: int

    def command(self, app: str, number: int) -> list[str]:
        """The command by which `hms up` starts workers, for every side but for the application."""
        celery = [sys.executable, "-m", "celery", "-A", app, "worker", "-n", f"w{number}@%h", "-E"]
        quiet = ["--without-gossip", "--without-mingle", "--loglevel", "WARNING"]
        return [*celery, "-P", self.name, "-c", str(self.slots), *quiet]


THREADS = Setup("threads", slots=16, processes=2)
PREFORK = Setup("prefork", slots=2, processes=1)
SOLO = Setup("solo", slots=1, processes=2)


@contextmanager
def running(
    home: Path, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> Iterator[list[Child]]:
    """Run commands by name, from the root of the project, for as long as the block lasts.

    When the wait for them is needlessly, the error tells their last words.
    """
    started: list[Child] = []
    try:
        for name, command in commands.items():
            log = log_file(home, name)
            started.append(spawn(command, log=log, cwd=ROOT, env=surroundings(environment)))
        yield started
    except (TimeoutError, ChildProcessError) as error:
        said = [last_words(home, name) for name in commands]
        raise type(error)("\n".join([str(error), *filter(None, said)])) from error
    finally:
        _end(started)


def pids(processes: Sequence[Child]) -> list[int]:
    """The processes that were started; those that they started themselves belong to them."""
    return [process.pid for process in processes]


def server_pids(servers: Servers) -> dict[str, list[int]]:
    """The process of each server, by its name."""
    return {server.program.name: [server.process.pid] for server in servers.processes}


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """Our own environment, cleared of settings that would reach beyond the benchmark, and this one."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HMS_", "BENCH_"))}
    return {**ours, **environment}


@contextmanager
def frozen(children: Sequence[Child]) -> Iterator[None]:
    """Hold processes still for as long as the block lasts: what is put before them waits."""
    try:
        for process in children:
            os.kill(process.pid, signal.SIGSTOP)
        yield
    finally:
        for process in children:
            os.kill(process.pid, signal.SIGCONT)


def await_workers(app: Celery, children: Sequence[Child], count: int) -> None:
    """Wait until that many workers answer a ping. Raises ChildProcessError when one of them ends."""

    def all_answer() -> bool:
        if any(process.poll() is not None for process in children):
            raise ChildProcessError("a process ended before it was ready")
        return len(app.control.ping(timeout=1.0, limit=count)) == count

    poll_until(all_answer, "workers do not answer")


def poll_until(holds: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> float:
    """Wait until a condition holds and return when that was. Raises TimeoutError, saying `what` is wrong."""
    deadline = time.perf_counter() + seconds
    while not holds():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{what} after {seconds:g} s")
        time.sleep(POLL_SECONDS)
    return time.perf_counter()


def _end(children: Sequence[Child]) -> None:
    for process in children:
        process.terminate()
    deadline = time.monotonic() + END_SECONDS
    for process in children:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            # The session that it was started in: a pool does not outlive its worker.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
