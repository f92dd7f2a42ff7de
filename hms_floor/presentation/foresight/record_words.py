"""Words for how good the forecasts of queues were, with their evidence, for pages and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hms_oms.runtime import format

HEADERS = (
    "Queue",
    "Settled",
    "Brier score",
    "Close calls",
    "Latest ends kept",
    "Latest ends",
    "Over the time",
    "Breaches",
    "Announced",
    "Ahead by",
    "Alarms",
    "Came to nothing",
)

MEANING = (
    "A Brier score of 0 is a certain truth, 0.25 the toss of a coin; it is of close calls, in which a job was"
    " to end between 0.6 and 1.6 of the time until its deadline. By their latest end 95 % of the jobs are to"
    " have ended; how far that was, over the time that it took, is the median. An alarm comes to nothing if"
    " no job is late in the end, also when somebody saw to it."
)


def row(name: str, record: Mapping[str, Any]) -> tuple[str, ...]:
    """The record of a queue, as the API answers it, in the order of the headers."""
    warning, width, brier = record["warningSeconds"], record["width"], record["brier"]
    answered = f" ({record['answered']:,} acknowledged)" if record["answered"] else ""
    return (
        name,
        f"{record['forecasts']:,}",
        "" if brier is None else f"{brier:.3f}",
        f"{record['closeCalls']:,}",
        "" if record["kept"] is None else format.percent(record["kept"]),
        f"{record['latestEnds']:,}",
        "" if width is None else f"{width:.2f}",
        f"{record['breaches']:,}",
        f"{record['announced']:,}",
        "" if warning is None else format.about(timedelta(seconds=warning)),
        f"{record['alarms']:,}",
        f"{record['cameToNothing']:,}{answered}",
    )
