"""Demand against capacity: how many open jobs are due by when, and how many will be done by then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from hms_floor.pages.parts.charts.charts import Points
from hms_floor.presentation.overview import Card

#: The jobs that are due first and are counted; what is due after them is left out.
MOST_JOBS = 20_000
#: How many steps the demand is drawn with, at most.
STEPS = 200
#: Capacity is drawn this far ahead, whatever is due.
NEAR_MILLISECONDS = 300_000.0

_DUE = """
select max(sla) as at, max(place) as jobs
from (
    select sla, row_number() over (order by sla) as place
    from (
        select sla from oms.jobs
        where queue = :queue and finished_at is null and held_at is null
        order by sla limit :most
    ) as first
) as placed
group by (place - 1) / greatest(1, :each)
order by 1
"""


def due(connection: Connection, queue: str, jobs: int) -> Sequence[tuple[datetime, int]]:
    """How many of a queue's open jobs are due by which moment; there are about `jobs` of them."""
    bundle = -(-min(jobs, MOST_JOBS) // STEPS)
    rows = connection.execute(text(_DUE), {"queue": queue, "most": MOST_JOBS, "each": bundle})
    return [(row.at, row.jobs) for row in rows]


def lines(demand: Sequence[tuple[datetime, int]], card: Card, now: datetime) -> tuple[Points, Points]:
    """The demand from now on, and the capacity of the forecast, with times in milliseconds."""
    if not demand:
        return (), ()
    start = 1000 * now.timestamp()
    late = max((jobs for at, jobs in demand if at <= now), default=0)
    needed = [
        (start, float(late)),
        *((1000 * at.timestamp(), float(jobs)) for at, jobs in demand if at > now),
    ]
    end = start if card.done_at is None else 1000 * card.done_at.timestamp()
    # What is done long after the last deadline would press the demand into a corner.
    near = start + NEAR_MILLISECONDS
    last = max(needed[-1][0], near, min(end, start + 4 * max(needed[-1][0] - start, NEAR_MILLISECONDS)))
    needed.append((last, needed[-1][1]))
    if end <= start:
        return needed, ()
    whole = float(card.open - (card.held or 0))
    if end > last:
        return needed, [(start, 0.0), (last, round(whole * (last - start) / (end - start), 1))]
    return needed, [(start, 0.0), (end, whole), (last, whole)]
