"""Points of a queue's past: from a card of now, or from the history in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_floor.presentation.overview import Card
from hms_ops.metrics import moments
from hms_ops.metrics.past import steps
from hms_ops.metrics.past.steps import Value


@dataclass(frozen=True, slots=True)
class Point:
    """A queue at `at` (seconds since the epoch): jobs, waits in seconds, jobs a second; None is a gap."""

    at: float
    open: float | None = None
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
    point = Point(now.timestamp(), length, card.running, card.late, card.wait_mean, card.wait_p95)
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
    """A queue from the step of `since` until before `until`, oldest first: means, least and most by steps.

    The most open jobs of a step are those of any moment, so that a burst between two samples is seen.
    """
    start = steps.start_of(since, step_seconds)
    by_time = {
        at.timestamp(): _fields(values)
        for at, values in steps.read(connection, queue, start, until, step_seconds)
    }
    for moment in moments.history(connection, queue, start, until, step_seconds):
        fields = by_time.get(moment.at.timestamp() // step_seconds * step_seconds, {})
        if "open_most" in fields:
            fields["open_most"] = max(fields["open_most"], moment.open)
    return [Point(at, **fields) for at, fields in by_time.items()]


def _fields(values: Mapping[tuple[str, str], Value]) -> dict[str, Any]:
    fields = {field: values[metric].mean for metric, field in _MEANS.items() if metric in values}
    fields |= {field: values[metric].least for metric, field in _LEAST.items() if metric in values}
    return fields | {field: values[metric].most for metric, field in _MOST.items() if metric in values}


#: Which metric is which field of a point.
_MEANS: Mapping[tuple[str, str], str] = {
    steps.OPEN: "open",
    steps.RUNNING: "running",
    steps.LATE: "late",
    steps.WAIT: "wait",
    steps.WAIT_P95: "wait_p95",
    steps.RATE: "rate",
}
_LEAST: Mapping[tuple[str, str], str] = {steps.OPEN: "open_least", steps.RATE: "rate_least"}
_MOST: Mapping[tuple[str, str], str] = {
    steps.OPEN: "open_most",
    steps.WAIT: "wait_most",
    steps.RATE: "rate_most",
}
