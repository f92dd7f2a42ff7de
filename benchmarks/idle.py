"""Idle: what a whole floor costs while nobody asks anything of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks import cpu
from benchmarks.processes import ROOT, poll_until, running, surroundings
from benchmarks.results import Result
from benchmarks.rounds import say

BAR = 3.0
#: Seconds after the floor is up before the clock starts: workers settle, caches fill.
SETTLE_SECONDS = 5.0


def measure(folder: Path, seconds: float) -> list[Result]:
    """Start a floor in a home of its own and add up the CPU time of all its processes."""
    environment = {"HMS_HOME": str(folder / "idle")}
    hms = [sys.executable, "-m", "hms_floor"]
    with running(folder, {"idle": [*hms, "up"]}, environment) as (floor,):
        poll_until(lambda: _is_well([*hms, "check"], environment), "the floor is not up")
        time.sleep(SETTLE_SECONDS)
        before, started = _cpu_seconds(floor.pid), time.monotonic()
        time.sleep(seconds)
        after, passed = _cpu_seconds(floor.pid), time.monotonic() - started
    shares = {who: 100 * (after[who] - spent) / passed for who, spent in before.items() if who in after}
    say(f"idle: {len(shares)} processes over {passed:.0f} s")
    return [
        Result(
            "idle",
            "one idle `hms up`, share of one core",
            sum(shares.values()),
            "%",
            bar=BAR,
            at_most=True,
            note=f"{len(shares)} processes over {passed:.0f} s",
            detail={"percent": {who: round(share, 2) for who, share in shares.items() if share >= 0.01}},
        )
    ]


def _is_well(check: list[str], environment: Mapping[str, str]) -> bool:
    done = subprocess.run(check, cwd=ROOT, env=surroundings(environment), capture_output=True, check=False)
    return done.returncode == 0


def _cpu_seconds(floor: int) -> dict[str, float]:
    """The CPU time that each process of the floor, and its children that are gone, have used so far."""
    spent = {}
    for process in cpu.tree(floor):
        try:
            spent[f"{process.pid} {_title(process)}"] = cpu.spent(process)
        except psutil.NoSuchProcess:
            continue
    return spent


def _title(process: psutil.Process) -> str:
    # Arguments after the first few only say where things are.
    words = [Path(word).name for word in process.cmdline()[:6]]
    return " ".join(words) or process.name()
