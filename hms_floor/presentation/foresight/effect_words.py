"""Words for what a change would do to open jobs, for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hms_oms.runtime import format

#: So many jobs are named.
NAMED = 5
UNKNOWN = "No forecast: too little of this queue was measured lately."


def told(effect: Mapping[str, Any] | None) -> str:
    """An effect, as the API answers it, in a sentence or two."""
    if effect is None:
        return UNKNOWN
    before, after = effect["before"], effect["after"]
    if not before["open"] and not after["open"]:
        return f"No job of {effect['queue']} is open, so none would be late."
    if before == after and not effect["intoRiskJobs"] and not effect["outOfRiskJobs"]:
        return f"No difference for {effect['queue']}: {fares(after)}."
    words = [f"{effect['queue']}: now {fares(before)}; with this {fares(after)}."]
    for verb, name in (("would be late because of it", "intoRisk"), ("would be on time again", "outOfRisk")):
        number = effect[f"{name}Jobs"]
        if number:
            words.append(f"{number:,} {verb}: {_names(effect[name], number)}.")
    return " ".join(words)


def fares(outlook: Mapping[str, Any]) -> str:
    """How open jobs fare."""
    if not outlook["open"]:
        return "no job is open"
    jobs = format.count(outlook["open"], "open job")
    return f"{format.percent(outlook['onTime'])} of {jobs} will be on time ({outlook['late']:,} late)"


def _names(names: Sequence[str], number: int) -> str:
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {number - NAMED:,} more" if number > NAMED else shown
