"""A step that does nothing."""

from __future__ import annotations

from workers.step import StepRun, step


@step("bench.noop")
def noop(run: StepRun) -> None:
    """Do nothing."""
