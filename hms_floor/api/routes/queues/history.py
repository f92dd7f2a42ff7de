"""The past of a queue: its points, a day or a week before behind them, and what was done and happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests.requests import DayOrMoment, QueuePath
from hms_floor.api.requests.zones import Zone, start_of
from hms_floor.api.transport.problems import Problem
from hms_floor.presentation.past import past
from hms_floor.presentation.past.points import Point
from hms_floor.presentation.past.window import LONGEST
from hms_oms.database import health
from hms_oms.jobs import commands
from hms_ops.documents.past import PastPoint, QueueHistory

router = APIRouter(route_class=Guarded, tags=["queues"])

Since = Annotated[
    DayOrMoment | None, Query(alias="from", description="A day or a time; a day before `to`, if not named.")
]
Until = Annotated[DayOrMoment | None, Query(alias="to", description="Before this; now, if not named.")]
Behind = Annotated[
    Literal["day", "week"] | None, Query(description="What was so long before, with its times moved on.")
]


@router.get("/queues/{queue}/history")
def history(
    app_state: TheAppState,
    zone: Zone,
    queue: QueuePath,
    since: Since = None,
    until: Until = None,
    behind: Behind = None,
) -> QueueHistory:
    """How a queue went: the last day, where nothing else is asked for, in no more than some 400 steps.

    Up to half an hour of the last day is told by moments, five seconds apart; all else by steps of minutes,
    hours or days. `marks` are what people did to the queue, and its incidents.
    """
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)
        end = start_of(until, zone) if until else health.clock(connection)
        start = start_of(since, zone) if since else end - timedelta(days=1)
        if not timedelta() < end - start <= LONGEST:
            raise Problem(409, "what is asked for ends before it begins, or is longer than a year")
        whole = past.read(connection, queue, start, end, behind, zone)
    return QueueHistory(
        queue=queue,
        since=start,
        until=end,
        step=whole.step,
        points=_points(whole.points, whole),
        marks=tuple(whole.marks),
        behind=_points(whole.behind, whole),
    )


def _points(points: Sequence[Point], whole: past.Past) -> tuple[PastPoint, ...]:
    return tuple(_point(point, by_moments=whole.by_moments) for point in points)


def _point(point: Point, *, by_moments: bool) -> PastPoint:
    return PastPoint(
        at=datetime.fromtimestamp(point.at, UTC),
        open=point.open,
        open_least=None if by_moments else point.open_least,
        open_most=None if by_moments else point.open_most,
        running=point.running,
        late=point.late,
        wait=point.wait,
        wait_most=None if by_moments else point.wait_most,
        wait_p95=point.wait_p95,
        done_per_minute=_a_minute(point.rate),
        done_per_minute_least=None if by_moments else _a_minute(point.rate_least),
        done_per_minute_most=None if by_moments else _a_minute(point.rate_most),
    )


def _a_minute(rate: float | None) -> float | None:
    return None if rate is None else 60 * rate
