"""Steps that do nothing, or only take time."""

from __future__ import annotations

import time

from workers.step import StepRun, step


@step("bench.noop")
def noop(run: StepRun) -> None:
    """Do nothing."""


@step("bench.nap")
def nap(run: StepRun) -> None:
    """Hold a slot for as long as the payload says, which the order of jobs is not told."""
    time.sleep(run.payload["seconds"])
