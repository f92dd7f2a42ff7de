"""Points of charts: a queue's past, from a card of now or from the samples of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_floor.pages.parts.charts.charts import Points
from hms_floor.presentation.overview import Card
from hms_ops.metrics import history, moments

_STATES = ("backlog", "delayed", "window", "running", "held")
#: Which metric is which field of a point.
_FIELDS: Mapping[str, str] = {
    "queue.waitTime": "wait",
    "queue.waitTime.p95": "wait_p95",
    "queue.throughput.minute": "rate",
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
    #: Of a point that stands for a step of time: the least and the most of its minutes.
    open_least: float | None = None
    open_most: float | None = None
    wait_most: float | None = None
    rate_least: float | None = None
    rate_most: float | None = None
    #: Of a point of now: how many jobs were done by when, from which the rate of the next one is counted.
    done: int | None = None
    counted_at: float | None = None


def of(card: Card, now: datetime, before: Point | None = None) -> Point:
    """How a queue stands now; its rate is that of the jobs counted since the point `before`."""
    length = card.open if card.fresh else None
    counted_at = None if card.counted_at is None else card.counted_at.timestamp()
    point = Point(
        now.timestamp(), length, card.backlog, card.running, card.late, card.wait_mean, card.wait_p95
    )
    return replace(point, rate=_rate(card.done, counted_at, before), done=card.done, counted_at=counted_at)


def _rate(done: int | None, counted_at: float | None, before: Point | None) -> float | None:
    """Jobs a second since a point; None if one of them is not known, or another watch counts again."""
    if done is None or counted_at is None or before is None:
        return None
    if before.done is None or before.counted_at is None or done < before.done:
        return None
    if done == before.done:
        return 0.0  # what does not change is not counted again at once
    return (done - before.done) / (counted_at - before.counted_at) if counted_at > before.counted_at else None


def points(
    connection: Connection, queue: str, since: datetime, until: datetime, step_seconds: int
) -> list[Point]:
    """A queue from `since` until before `until`, oldest first: means, least and most by steps of seconds.

    The most open jobs of a step are those of any moment, so that a burst between two samples is seen.
    """
    points_by_time: dict[float, dict[str, Any]] = {}
    past = history.history(connection, "queue.length", queue, since, until, step_seconds, _STATES)
    for sample in past:
        if sample.subject in ("backlog", "running"):
            points_by_time.setdefault(sample.at.timestamp(), {})[sample.subject] = sample.value
    sums = history.history(
        connection, "queue.length", queue, since, until, step_seconds, _STATES, together=True
    )
    for sample in sums:
        values = points_by_time.setdefault(sample.at.timestamp(), {})
        values |= {"open": sample.value, "open_least": sample.least, "open_most": sample.most}
    for moment in moments.history(connection, queue, since, until, step_seconds):
        values = points_by_time.get(moment.at.timestamp() // step_seconds * step_seconds, {})
        if "open_most" in values:
            values["open_most"] = max(values["open_most"], moment.open)
    for name, field in _FIELDS.items():
        for sample in history.history(connection, name, queue, since, until, step_seconds, ("",)):
            values = points_by_time.setdefault(sample.at.timestamp(), {})
            values[field] = sample.value
            if field == "wait":
                values["wait_most"] = sample.most
            if field == "rate":
                values |= {"rate_least": sample.least, "rate_most": sample.most}
    return [Point(at, **values) for at, values in sorted(points_by_time.items())]


def line(
    past: Sequence[Point], value: Callable[[Point], float | None], apart: float, lasts: float = 0.0
) -> Points:
    """One line of a chart, in milliseconds; broken where points are further apart than `apart` seconds.

    A point that stands for a step of time holds until the next one, or for as long as it `lasts`.
    """
    drawn: list[tuple[float, float | None]] = []
    before: Point | None = None
    for point in past:
        if before is not None and point.at - before.at > apart:
            drawn += _ended(before, value, lasts)
            drawn.append((1000 * (before.at + apart / 2), None))
        drawn.append((1000 * point.at, _short(value(point))))
        before = point
    return drawn if before is None else [*drawn, *_ended(before, value, lasts)]


def _ended(
    point: Point, value: Callable[[Point], float | None], lasts: float
) -> list[tuple[float, float | None]]:
    return [(1000 * (point.at + lasts), _short(value(point)))] if lasts else []


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
