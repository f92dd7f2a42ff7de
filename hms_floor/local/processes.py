"""Child processes that die with their parent, are recorded, recognized after a crash, and ended."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import psutil

from hms_floor.private_files import write_private
from hms_oms.runtime import logs
from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.settings import LOCK_FILE

Child = subprocess.Popen[bytes]

#: Which processes a floor has started, so that the next one can end what a killed one left behind.
PIDS_FILE = "pids.json"
#: A log that is longer than this when its program starts is put aside, in bytes.
LOG_BYTES = 10_000_000
#: How long a home is asked for before somebody else has it, in seconds.
LOCK_SECONDS = 0.3

#: Signals to send one after the other, each with the seconds it is given to work.
Stops = Sequence[tuple[int, float]]


class HomeBusy(HmsError):
    """Another process keeps this home."""

    def __init__(self, home: Path, pid: str) -> None:
        self.pid = pid
        super().__init__(
            f"{home} is in use by process {pid}: stop that one, or set HMS_HOME to another folder"
        )


@dataclass(frozen=True)
class Program:
    """A process to keep running. Those of a lower `rank` are stopped first; `ready` gets its pid."""

    name: str
    start: Callable[[], Child]
    rank: int = 0
    stops: Stops = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
    ready: Callable[[int], bool] | None = None


@contextlib.contextmanager
def hold(home: Path) -> Iterator[None]:
    """Keep `home` for this process alone. Raises HomeBusy, naming the process that has it."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home.stat().st_uid != os.getuid():
            # Not even for root: what root would leave behind there, the owner could not use again.
            raise PermissionError("it belongs to another user")
        file = os.fdopen(os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise HmsError(f"{home} cannot be used: {error}; set HMS_HOME to a folder of your own") from None
    with file:
        try:
            _lock(file)
        except BlockingIOError:
            raise HomeBusy(home, file.read().strip() or "unknown") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        file.truncate(0)


def _lock(file: IO[str]) -> None:
    """Lock a home. Anyone who asks whether somebody has it holds it for a moment, too: that is waited for."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def log_file(home: Path, name: str) -> Path:
    """Where the program `name` writes what it has to say."""
    return home / "log" / f"{name}.log"


def last_words(home: Path, name: str, lines: int = 5) -> str:
    """The end of a program's log, for the message that says why it did not start."""
    try:
        text = log_file(home, name).read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(logs.as_text(line) for line in text.splitlines()[-lines:])


def spawn(
    command: Sequence[str | Path], *, log: Path, last_signal: int = signal.SIGKILL, **options: Any
) -> Child:
    """Start `command` in a session of its own, writing to `log`; `options` go to Popen.

    On Linux it gets `last_signal` when the thread that calls this is gone, so call it from one that
    lives as long as the child should.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # Ctrl-C in a terminal goes to the whole foreground group: it must reach the launcher only.
            start_new_session=True,
            preexec_fn=partial(_die_with, os.getpid(), last_signal) if _LIBC else None,
            **options,
        )


_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with(parent: int, last_signal: int) -> None:
    # Runs between fork and exec, after the change of user (which would undo it). It must do next to
    # nothing there, since other threads' locks may be held forever.
    assert _LIBC is not None
    _LIBC.prctl(_PR_SET_PDEATHSIG, last_signal)
    if os.getppid() != parent:  # the parent went before it could be asked for
        os._exit(1)


def end(process: Child, stops: Stops) -> None:
    """End a child of this process and wait until it is gone."""
    for number, seconds in stops:
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def started(pid: int) -> str | None:
    """When the process `pid` was started; None where there is none, or only its corpse.

    A pid is used again, a pid with its start time is not: the two together name one process for good.
    """
    if sys.platform != "linux":
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
        except psutil.Error:
            return None
    try:
        # Ticks since boot, not a date: dates move when the clock is set.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def record(home: Path, program: Program, pid: int) -> None:
    """Write down that `pid` is a process of this home."""
    mark = {"pid": pid, "started": started(pid), "stops": list(program.stops)}
    write_private(home / PIDS_FILE, json.dumps({**_recorded(home), program.name: mark}))


def strike(home: Path, name: str) -> None:
    """Strike a process that is gone off the record."""
    rest = {other: mark for other, mark in _recorded(home).items() if other != name}
    write_private(home / PIDS_FILE, json.dumps(rest))


def end_leftovers(home: Path) -> list[str]:
    """End what a killed floor left behind in this home, and return the names of what was still there.

    A process is ours only if pid and start time are those on record.
    """
    leftovers = []
    # The youngest first: the servers were started before the programs that need them.
    for name, mark in reversed(list(_recorded(home).items())):
        if end_known(mark["pid"], mark["started"], mark["stops"]):
            leftovers.append(name)
        strike(home, name)
    return leftovers


def end_known(pid: int, since: str | None, stops: Stops) -> bool:
    """End the process `pid` if it is the one that was started at `since`; return whether it was."""
    if since is None or started(pid) != since:
        return False
    for number, seconds in stops:
        deadline = time.monotonic() + seconds
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            os.kill(pid, signal.SIGCONT)  # one that was stopped could not hear it
        while time.monotonic() < deadline:
            if started(pid) != since:
                return True
            time.sleep(0.01)
    return True


def _recorded(home: Path) -> dict[str, Any]:
    try:
        recorded: dict[str, Any] = json.loads((home / PIDS_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return recorded
