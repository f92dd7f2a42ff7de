"""The past of a queue in a window of time: points, what is behind them, and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

from sqlalchemy import Connection

from hms_floor.presentation.past import marks, points, recent
from hms_floor.presentation.past.points import Point
from hms_floor.presentation.past.window import BEHIND, step_of
from hms_ops.documents.past import Mark
from hms_ops.metrics.past.steps import MINUTE


@dataclass(frozen=True, slots=True)
class Past:
    """A queue from `since` until before `until` in steps of `step` seconds, less than a minute for moments.

    `behind` are the points of a day or a week before, with times as if they were of this window.
    """

    since: datetime
    until: datetime
    step: int
    points: Sequence[Point]
    marks: Sequence[Mark]
    behind: Sequence[Point]

    @property
    def by_moments(self) -> bool:
        """Whether each point is a moment, and not a step of time."""
        return self.step < MINUTE


def read(
    connection: Connection, queue: str, since: datetime, until: datetime, behind: str | None, zone: tzinfo
) -> Past:
    """A queue from `since` until before `until`; sentences tell times in `zone`."""
    step = step_of(until - since)
    shift = BEHIND[behind] if behind else timedelta()
    return Past(
        since,
        until,
        step,
        _points(connection, queue, since, until, step),
        marks.read(connection, queue, since, until, zone),
        _moved(_points(connection, queue, since - shift, until - shift, step), shift) if behind else (),
    )


def _points(connection: Connection, queue: str, since: datetime, until: datetime, step: int) -> list[Point]:
    if step < MINUTE:
        return recent.read(connection, queue, since, until)
    return points.points(connection, queue, since, until, step)


def _moved(past: Sequence[Point], shift: timedelta) -> list[Point]:
    return [replace(point, at=point.at + shift.total_seconds()) for point in past]
