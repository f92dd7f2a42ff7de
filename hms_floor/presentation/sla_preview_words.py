"""What another SLA would mean for the jobs that are open now, in words: for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(ahead: Mapping[str, Any] | None) -> str:
    """A forecast under two SLAs, as the API answers it, in a sentence."""
    if ahead is None:
        return "No forecast: the watch has not measured this queue lately."
    jobs = ahead["open"]
    if not jobs:
        return "No job is open, so none would be late."
    would, will = _late(ahead["after"]), _late(ahead["before"])
    at_once = ahead["after"]["lateAlready"]
    already = f" ({at_once:,} of them at once)" if at_once and at_once < would else ""
    already = " at once" if at_once and at_once == would else already
    open_jobs = "the open job" if jobs == 1 else f"the {jobs:,} open jobs"
    held = f"Were {open_jobs} held to it, {_number(would)} would be late{already}"
    return f"{held}; as it is, {_number(will)} will be."


def _late(forecast: Mapping[str, Any]) -> int:
    """How many of the open jobs are late in the end."""
    return int(forecast["lateAlready"] + forecast["late"])


def _number(jobs: int) -> str:
    return f"{jobs:,}" if jobs else "none"
