"""What charts show: points of a queue's past, from a card of now or from the samples of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from hms_floor.board import Card
from hms_floor.pages.charts import Points
from hms_ops import samples

_STATES = ("backlog", "delayed", "window", "running")
#: Which metric is which field of a point.
_FIELDS: Mapping[str, str] = {
    "queue.waitTime": "wait",
    "queue.waitTime.p95": "wait_p95",
    "queue.throughput": "rate",
    "sla.breached": "late",
}


@dataclass(frozen=True, slots=True)
class Point:
    """A queue at `at` (seconds since the epoch): jobs, waits in seconds, jobs a second; None is a gap."""

    at: float
    open: float | None = None
    backlog: float | None = None
    running: float | None = None
    late: float | None = None
    wait: float | None = None
    wait_p95: float | None = None
    rate: float | None = None


def of(card: Card, now: datetime) -> Point:
    """How a queue stands now."""
    length = card.open if card.fresh else None
    waits = (card.wait_mean, card.wait_p95, card.rate)
    return Point(now.timestamp(), length, card.backlog, card.running, card.late, *waits)


def points(
    connection: Connection, queue: str, since: datetime, until: datetime, step_seconds: int
) -> list[Point]:
    """A queue from `since` until before `until`, oldest first: the means over steps of so many seconds."""
    found: dict[float, dict[str, float]] = {}
    past = samples.history(connection, "queue.length", queue, since, until, step_seconds, _STATES)
    for sample in past:
        values = found.setdefault(sample.at.timestamp(), {"open": 0.0})
        values["open"] += sample.value
        if sample.subject in ("backlog", "running"):
            values[sample.subject] = sample.value
    for name, field in _FIELDS.items():
        for sample in samples.history(connection, name, queue, since, until, step_seconds, ("",)):
            found.setdefault(sample.at.timestamp(), {})[field] = sample.value
    return [Point(at, **values) for at, values in sorted(found.items())]


def line(past: Sequence[Point], value: Callable[[Point], float | None], apart: float) -> Points:
    """One line of a chart, in milliseconds; broken where points are further apart than `apart` seconds."""
    drawn: list[tuple[float, float | None]] = []
    for point in past:
        if drawn and 1000 * point.at - drawn[-1][0] > 1000 * apart:
            drawn.append((drawn[-1][0] + 1000 * apart / 2, None))
        drawn.append((1000 * point.at, _short(value(point))))
    return drawn


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
