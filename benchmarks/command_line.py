"""The command line: how long a person waits for `hms --help`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.processes import ROOT
from benchmarks.results import Result
from benchmarks.rounds import say

BAR = 0.4


def measure(rounds: int) -> list[Result]:
    """Ask for help again and again, next to a Python that does nothing."""
    command = _command()
    _seconds(command)
    helped, nothing = [], []
    for _ in range(rounds):
        helped.append(_seconds(command))
        nothing.append(_seconds([sys.executable, "-c", ""]))
    say(f"cli: {rounds} times")
    note = f"python itself {median(nothing):.3f} s"
    return [Result("cli", "wall time of `hms --help`", median(helped), "s", bar=BAR, at_most=True, note=note)]


def _command() -> list[str]:
    installed = Path(sys.executable).with_name("hms")
    return [str(installed), "--help"] if installed.exists() else [sys.executable, "-m", "hms_floor", "--help"]


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
