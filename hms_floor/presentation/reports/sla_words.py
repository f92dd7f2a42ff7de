"""Words for how deadlines were met, alike on the page and in its PDF."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hms_oms.runtime import format

HEADERS = (
    "Queue",
    "Ended",
    "On time",
    "Of those ended",
    "Of those due",
    "Late",
    "Failed",
    "Open and late",
    "Lateness p50",
    "p95",
)

MISS_HEADERS = ("Job", "Queue", "Status", "Deadline", "Late by", "Cause", "Its time went into")

RULE = "Due: ended, or open past the deadline. A failed job is a miss; cancelled ones do not count."


def numbers(counts: Mapping[str, Any]) -> tuple[str, ...]:
    """What was counted, as the API answers it, in the order of the headers after the first."""
    lateness = counts["lateness"] or (None, None)
    return (
        f"{counts['ended']:,}",
        f"{counts['onTime']:,}",
        format.percent(counts["shareOfEnded"]),
        format.percent(counts["shareOfDue"]),
        f"{counts['late']:,}",
        f"{counts['failed']:,}",
        f"{counts['openLate']:,}",
        *("" if seconds is None else format.about(timedelta(seconds=seconds)) for seconds in lateness),
    )


def miss(entry: Mapping[str, Any], deadline: str) -> tuple[str, ...]:
    """A miss, as the API answers it, in the order of the headers after the first; `deadline` in words."""
    spent = (
        f"{cause} {format.about(timedelta(seconds=seconds))}"
        for cause, seconds in entry["spent"].items()
        if seconds >= 1
    )
    late = format.about(timedelta(seconds=entry["lateSeconds"]))
    return entry["queue"], entry["status"], deadline, late, entry["cause"], ", ".join(spent)
