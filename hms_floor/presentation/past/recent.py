"""The last minutes of a queue, as they were before anybody looked at a page.

Moments are five seconds apart while the queue had jobs; samples, a minute apart, know that it was idle in
between, and its waits. A line from one sample to the next would show a slope where jobs came in at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from hms_floor.presentation.past import points
from hms_floor.presentation.past.points import Point
from hms_ops.documents.incidents import TrendPoint
from hms_ops.incidents.impact import trend
from hms_ops.metrics import moments
from hms_ops.metrics.moments import STEP_SECONDS, Moment

#: How far apart samples are, in seconds.
_MINUTE = 60


def read(connection: Connection, queue: str, since: datetime, until: datetime) -> list[Point]:
    """A queue from `since` until before `until`, oldest first."""
    fine = moments.history(connection, queue, since, until, STEP_SECONDS)
    return merged(points.points(connection, queue, since, until, _MINUTE), fine)


def merged(minutes: Sequence[Point], fine: Sequence[Moment]) -> list[Point]:
    """The moments, with what only samples know, and the samples of the time without moments."""
    drawn = [_point(sample, minutes) for sample in trend.drawn(fine, STEP_SECONDS)]
    if fine:
        last = fine[-1]
        drawn[-1] = replace(drawn[-1], done=last.done, counted_at=last.at.timestamp())
    at = [moment.at.timestamp() for moment in fine]
    idle = [
        replace(minute, rate=0.0) if minute.open == 0 else minute
        for minute in minutes
        if not _seen(minute, at)
    ]
    return sorted([*drawn, *idle], key=lambda point: point.at)


def _seen(minute: Point, at: Sequence[float]) -> bool:
    """Whether moments tell more of a minute than its sample, which has not seen an empty queue."""
    place = bisect_right(at, minute.at)
    near = at[max(0, place - 1) : place + 1]
    return minute.open != 0 and any(abs(moment - minute.at) <= _MINUTE for moment in near)


def _point(moment: TrendPoint, minutes: Sequence[Point]) -> Point:
    """A moment, with the waits of its minute; it was idle before a burst if its sample was."""
    at = moment.at.timestamp()
    place = bisect_right([sample.at for sample in minutes], at)
    minute = minutes[place - 1] if place and at - minutes[place - 1].at <= 2 * _MINUTE else Point(at)
    if moment.open is None:
        idle = Point(at, 0.0, 0.0, 0.0, minute.wait, minute.wait_p95, rate=0.0)
        return idle if minute.open == 0 else Point(at)
    rate = None if moment.done_per_minute is None else moment.done_per_minute / 60
    known = replace(minute, at=at, open=moment.open, late=moment.late, rate=rate)
    return known if moment.open else replace(known, running=0.0)
