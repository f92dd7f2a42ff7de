"""Words for what a change would do to open jobs, for pages and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hms_oms.runtime import format

#: So many jobs are named.
NAMED = 5
#: What is planned: delayed jobs are left out, and those that agents do.
PLANNED = "ready for a worker, queued or running"
UNKNOWN = "No forecast: too little of this queue was measured lately."


def told(effect: Mapping[str, Any] | None) -> str:
    """An effect, as the API answers it, in a sentence or two."""
    if effect is None:
        return UNKNOWN
    before, after = effect["before"], effect["after"]
    if not before["open"] and not after["open"]:
        return f"No job of {effect['queue']} is {PLANNED}, so none would be late because of it."
    if before == after and not effect["intoRiskJobs"] and not effect["outOfRiskJobs"]:
        return f"No difference for {effect['queue']}: {fares(after)}."
    words = [f"{effect['queue']}: now {fares(before)}; with this {fares(after)}."]
    for verb, name in (("would be late because of it", "intoRisk"), ("would be on time again", "outOfRisk")):
        number = effect[f"{name}Jobs"]
        if number:
            words.append(f"{number:,} {verb}: {_names(effect[name], number)}.")
    return " ".join(words)


def all_told(effects: Iterable[Mapping[str, Any]], unmeasured: Iterable[str]) -> list[str]:
    """The effects of a change on queues, and of which queues none can be told."""
    unknown = [f"No forecast for {queue}: too little of it was measured lately." for queue in unmeasured]
    return [*map(told, effects), *unknown]


def fares(outlook: Mapping[str, Any]) -> str:
    """How open jobs fare."""
    if not outlook["open"]:
        return f"no job is {PLANNED}"
    jobs = format.count(outlook["open"], "open job")
    return f"{format.percent(outlook['onTime'])} of {jobs} will be on time ({outlook['late']:,} late)"


def _names(names: Sequence[str], number: int) -> str:
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {number - NAMED:,} more" if number > NAMED else shown
