"""Words for the effect of another SLA on open jobs, for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def told(ahead: Mapping[str, Any] | None) -> str:
    """A forecast under two SLAs, as the API answers it, in a sentence."""
    if ahead is None:
        return "No forecast: no job of this queue was done lately, so its throughput is not known."
    jobs = ahead["open"]
    if not jobs:
        return "No job is open whose clock runs, so none would be late."
    would = _late(ahead["after"])
    at_once = ahead["after"]["lateAlready"]
    already = f" ({at_once:,} of them at once)" if at_once and at_once < would else ""
    already = " at once" if at_once and at_once == would else already
    open_jobs = "the open job" if jobs == 1 else f"the {jobs:,} open jobs"
    held = f"Were {open_jobs} held to it, {_number(would)} would be late{already}"
    return f"{held}; as it is, {_as_it_is(ahead['before'])}."


def _late(forecast: Mapping[str, Any]) -> int:
    """How many of the open jobs are late in the end."""
    return int(forecast["lateAlready"] + forecast["late"])


def _as_it_is(forecast: Mapping[str, Any]) -> str:
    """What is late is told apart from what will be."""
    already, late = forecast["lateAlready"], forecast["late"]
    if not already:
        return f"{_number(late)} will be"
    are = f"{already:,} {'is' if already == 1 else 'are'}"
    return f"{are}, and {late:,} more will be" if late else are


def _number(jobs: int) -> str:
    return f"{jobs:,}" if jobs else "none"
