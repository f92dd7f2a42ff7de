"""What other numbers of workers would do, and how many are needed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import ceil, inf
from typing import NamedTuple

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.documents.foresight import DoneBy, QueueForecast, Staffing
from hms_oms.order.foresight.line import Situation
from hms_oms.order.foresight.outlook import outlook
from hms_oms.order.foresight.slots import Needed, needed
from hms_ops.foresight import effects, line_forecasts, situations, workforce
from hms_ops.foresight.workforce import Workforce


class Standing(NamedTuple):
    """A queue as it is, how it fares so, and the slots that it needs."""

    as_of: datetime
    situation: Situation
    force: Workforce
    present: Staffing
    need: Needed
    done_by: DoneBy | None


def read(connection: Connection, queue: str) -> Standing | None:
    """Foresee a queue as it is; None if too little was measured."""
    situation = situations.read(connection, queue)
    if situation is None:
        return None
    now = health.clock(connection)
    force = workforce.of_queues(connection, now, queue)[queue]
    done_by = line_forecasts.done_by(connection, queue, now)
    return Standing(now, situation, force, _staffing(situation, force), needed(situation), done_by)


def forecast(queue: str, standing: Standing | None, workers: int | None = None) -> QueueForecast:
    """Forecast a queue with its workers, and with so many; a new one has as many slots as those of now."""
    if standing is None:
        return QueueForecast(queue, None, None, None, None, None, None, None, None)
    as_of, situation, force, present, need, done_by = standing
    return QueueForecast(
        queue,
        present,
        None if workers is None else _staffing(situation, _with_workers(force, workers)),
        ceil(need.on_average / force.slots_each),
        need.on_average,
        ceil(need.surely / force.slots_each),
        need.surely,
        None if need.deadline is None else datetime.fromtimestamp(need.deadline, UTC),
        as_of,
        done_by,
    )


def _with_workers(force: Workforce, workers: int) -> Workforce:
    slots = round(workers * force.slots_each)
    return replace(force, workers=workers, live_slots=slots).limited(
        force.window, force.starts_per_minute, force.at_once
    )


def _staffing(situation: Situation, force: Workforce) -> Staffing:
    ahead = outlook(situation._replace(slots=force.slots, spacing=force.spacing))
    last = max(ahead.ends.values(), default=inf)
    done_at = None if last == inf else datetime.fromtimestamp(last, UTC)
    return Staffing(force.workers, force.slots, effects.summary(ahead), done_at)
