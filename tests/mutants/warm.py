"""Runs tests again and again, each time in a fork of a process that has imported what does not change.

That is all but the tests, the file that changes, and what imports it. It says `warm` when it listens. A run
starts when somebody connects to the socket, who is told its exit code in a byte. So it takes a fraction of
the seconds that a new process would need.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import grimp
import hypothesis
import pytest

PACKAGES = ("hms", "hms_act", "hms_floor", "hms_oms", "hms_ops", "workers")
#: The tests of a change may take so many times what they take without one, in seconds of a processor, or so
#: many seconds.
PATIENCE, LEAST_SECONDS = 10, 10
#: A change that asks for more memory than this fails.
MOST_BYTES = 4 << 30
_FORK = multiprocessing.get_context("fork")
#: The same examples each time, and none made smaller: what is asked is only whether one fails.
_PHASES = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
hypothesis.settings.register_profile("warm", deadline=None, derandomize=True, database=None, phases=_PHASES)


def main(arguments: Sequence[str]) -> None:
    """Listen at a socket for those who want the tests run; what changes is never kept as bytecode."""
    path, changed, *tests = arguments
    seconds = _warm_up(changed, tests)
    sys.dont_write_bytecode = True
    Path(importlib.util.cache_from_source(changed)).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("warm", flush=True)
        # Nobody reads what pytest says from now on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        while True:
            connection, _ = listener.accept()
            with connection, suppress(BrokenPipeError):
                run = _FORK.Process(target=_run, args=(tests, seconds))
                run.start()
                run.join()
                # Negative where a signal has ended it: it took too long.
                connection.sendall(bytes([run.exitcode if run.exitcode >= 0 else 1]))


def _warm_up(changed: str, tests: Sequence[str]) -> int:
    """Import what may be, and return how many seconds a run may take. Ends the process if the tests fail."""
    ours, theirs = _FORK.Pipe()
    run = _FORK.Process(target=_listed, args=(tests, theirs))
    run.start()
    theirs.close()
    names, seconds = ours.recv()
    run.join()
    if run.exitcode:
        sys.exit(f"the tests fail before anything is changed: {' '.join(tests)}")
    for name in sorted(names - _stale(changed)):
        with suppress(Exception):
            importlib.import_module(name)
    return max(LEAST_SECONDS, round(PATIENCE * seconds))


def _stale(changed: str) -> set[str]:
    """What is not as it was when a file has changed."""
    module = changed.removesuffix(".py").replace("/", ".")
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {module, *graph.find_downstream_modules(module)}


def _listed(tests: Sequence[str], connection: Connection) -> None:
    code = _pytest(tests)
    files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
    names = {
        name for name, file in files.items() if name.split(".")[0] in PACKAGES or "site-packages" in file
    }
    connection.send((names, resource.getrusage(resource.RUSAGE_SELF).ru_utime))
    sys.exit(code)


def _run(tests: Sequence[str], seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    sys.exit(_pytest(tests))


def _pytest(tests: Sequence[str]) -> int:
    # What is pure needs no server, and so no conftest.py; and nobody reads why a test has failed.
    quick = ("--noconftest", "--assert=plain", "--tb=no", "-p", "no:hms", "-p", "no:cacheprovider")
    return int(pytest.main(["-x", "-q", "--hypothesis-profile=warm", *quick, *tests]))


if __name__ == "__main__":
    main(sys.argv[1:])
