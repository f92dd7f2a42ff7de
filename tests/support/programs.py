"""Programs of ours as real processes, forked from one that has imported the libraries already.

To start Python and to import a task queue or a web framework takes a second or two of a core; a fork of a
process that has done so takes none, and is as much a process as any: it has a number, a session and sockets
of its own, and can be killed.
"""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import types
from collections.abc import Mapping, Sequence
from pathlib import Path

#: What our programs import, as far as it does not look at the environment.
_LIBRARIES = (
    "tests.support.programs",
    "anyio._backends._asyncio",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.fixups.django",
    "celery.app.events",
    "celery.app.log",
    "celery.concurrency.prefork",
    "celery.concurrency.solo",
    "celery.concurrency.thread",
    "celery.events.dispatcher",
    "celery.loaders.app",
    "celery.worker.consumer.consumer",
    "celery.worker.worker",
    "hms_act.dispatcher",
    "hms_floor.api.app",
    "hms_floor.cli.installation.checks.all_checks",
    "hms_floor.cli.installation.daemons",
    "hms_floor.pages.all_pages",
    "hms_floor.pages.mount",
    "hms_floor.serve",
    "hms_ops.daemon",
    "kombu.transport.redis",
    "structlog",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "workers.step",
    "workers.task",
    "tests.support.frozen",
)
_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(list(_LIBRARIES))
#: To start a process is to look how all others have ended, and what has been read is gone: two threads that
#: look at the same time would take it from each other, and one of them be told 255.
_looking = threading.Lock()


class Program:
    """A process that runs `python {arguments}`; it is held as a `subprocess.Popen` is.

    Its output is added to `log`, its errors to `errors` if that is another file; it reads `feed`. With
    `clean` SIGTERM has it exit, rather than end it as a signal does.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        folder: Path,
        *,
        clean: bool = False,
        errors: Path | None = None,
        feed: Path | None = None,
    ) -> None:
        self.args = list(arguments)
        # What it says can be read from now on.
        log.touch()
        given = (self.args, dict(environment), (feed, log, errors or log), folder, clean)
        self._process = _forks.Process(target=_run, args=given)
        with _looking:
            self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it has ended; the negated number of a signal that ended it; None while it runs."""
        with _looking:
            return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired after so many seconds."""
        if self.returncode is None:
            multiprocessing.connection.wait([self._process.sentinel], timeout)
        code = self.returncode
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


def run_hms(
    words: Sequence[str], environment: Mapping[str, str], *, feed: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run `hms {words}` to its end, in a process of its own and a folder in which nothing else is."""
    with tempfile.TemporaryDirectory(prefix="hms-run-") as name:
        folder = Path(name)
        out, err, given = folder / "out", folder / "err", folder / "in"
        err.touch()
        given.write_text(feed)
        program = Program(["-m", "hms_floor", *words], environment, out, folder, errors=err, feed=given)
        try:
            code = program.wait(timeout)
        finally:
            program.kill()
        return subprocess.CompletedProcess(list(words), code, out.read_text(), err.read_text())


def _run(
    arguments: list[str],
    environment: dict[str, str],
    streams: tuple[Path | None, Path, Path],
    folder: Path,
    clean: bool,
) -> None:
    """Be `python {arguments}`."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for number, path in enumerate(streams):
        if path is not None:
            with path.open("ab" if number else "rb", buffering=0) as file:
                os.dup2(file.fileno(), number)
    if streams[0] is not None:
        # The other one has been closed; the standard input of a fork is nothing.
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    # As with PYTHONUNBUFFERED, which comes too late here.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if clean:
        # The server ends by the signal that it was sent; semaphores are given back by those who exit.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    sys.path[:0] = [str(folder), *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    kind, program, *words = arguments
    try:
        if kind == "-m":
            sys.argv = [program, *words]
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            sys.argv = [kind, *words]
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(program, "<string>", "exec"), main.__dict__)
    finally:
        # A fork is ended without what was registered for the end.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
