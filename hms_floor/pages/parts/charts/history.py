"""Lines of charts from the points of a queue's past."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hms_floor.pages.parts.charts.charts import Points
from hms_floor.presentation.past.points import Point


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
