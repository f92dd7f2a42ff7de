"""Forecasts of jobs, each minute: when they end, and by when in 95 of 100 cases; settled when they have.

The writer of ops.forecasts, ops.forecast_levels, ops.arrivals and ops.arrivals_counted. What is learnt stands
there, so that it outlives the watch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, text

from hms_oms.daemon.isolation import Apart
from hms_oms.documents.foresight import DoneBy
from hms_oms.jobs.tickets import job_name
from hms_oms.order.foresight import conformal, profile
from hms_oms.order.foresight.profile import NOTHING, Arrivals, Count
from hms_oms.order.policy import Policy
from hms_oms.runtime.clock import midnight
from hms_ops.forecast.capacity import Capacity
from hms_ops.forecast.ends import end
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.foresight.places import chosen
from hms_ops.statements import statement

#: Of so many jobs of a line, from its front on, and of the last one forecasts are made.
FRONT = 20_000
#: Arrivals are counted this long after they came.
BEHIND = timedelta(minutes=2)
#: What was said longer ago is not shown.
FRESH = timedelta(minutes=3)
#: Forecasts are kept so long; the most that are removed at once.
KEPT, BITE = timedelta(days=30), 2000


def turn(connection: Connection, snapshot: Snapshot, office: tzinfo, apart: Apart | None = None) -> None:
    """Settle what can be settled, and make forecasts of each queue whose throughput is known."""
    apart = apart or Apart()
    with apart.doing("counting arrivals"), connection.begin_nested():
        connection.execute(_BEGIN, {"until": snapshot.now - BEHIND})
        connection.exec_driver_sql(statement("count_arrivals"), {"until": snapshot.now - BEHIND})
    with apart.doing("settling forecasts"), connection.begin_nested():
        settle(connection, snapshot.now)
    for queue in snapshot.queues:
        with apart.doing(f"making forecasts of queue {queue.name}"), connection.begin_nested():
            make(connection, queue, snapshot.now, office)


def settle(connection: Connection, now: datetime) -> None:
    """Settle the forecasts whose job has ended, and adapt the level of each queue by its limits."""
    decided = connection.exec_driver_sql(statement("settle_forecasts"), {"now": now}).all()
    for queue, limits in groupby(sorted(decided, key=attrgetter("queue")), key=attrgetter("queue")):
        level = level_of(connection, queue)
        for limit in limits:
            level = conformal.level_after(level, missed=limit.missed)
        connection.execute(
            text(
                "insert into ops.forecast_levels (queue, level) values (:queue, :level)"
                " on conflict (queue) do update set level = excluded.level"
            ),
            {"queue": queue, "level": level},
        )
    connection.execute(
        text(
            "delete from ops.forecasts where id = any(array("
            "select id from ops.forecasts where at < :before order by id limit :bite))"
        ),
        {"before": now - KEPT, "bite": BITE},
    )
    connection.execute(text("delete from ops.arrivals where since < :before"), {"before": now - KEPT})


def make(connection: Connection, queue: QueueSnapshot, now: datetime, office: tzinfo) -> int:
    """Make forecasts of some jobs of the line of a queue; returns of how many."""
    capacity = None if queue.forecast is None else queue.forecast.capacity
    waiting = queue.waiting - queue.given_up
    if capacity is None or not capacity.trusted or waiting <= 0 or not _goes_on(queue):
        return 0
    places = {"queue": queue.name, "most": FRONT, "places": chosen(min(waiting, FRONT))[:-1]}
    jobs = connection.exec_driver_sql(statement("places_in_line"), places).all()
    scores = scores_of(connection, queue.name, now)
    level = level_of(connection, queue.name)
    arrivals = _profile(connection, queue.name, now, office)
    rows = []
    for job in jobs:
        place = queue.running + queue.queued + (waiting if job.is_last else job.place)
        row = _forecast(job, capacity, place, arrivals, scores, level, now, office)
        if row is not None:
            rows.append({"queue": queue.name, **row})
    if rows:
        connection.execute(_MAKE, rows)
    return len(rows)


def done_by(connection: Connection, queue: str, now: datetime) -> DoneBy | None:
    """When the last job of the line of a queue is done, as was last said; None if that is long ago."""
    row = connection.execute(
        text(
            "select job_id, at, median, latest, learnt_from from ops.forecasts"
            " where queue = :queue and is_last and at > :since order by id desc limit 1"
        ),
        {"queue": queue, "since": now - FRESH},
    ).one_or_none()
    if row is None:
        return None
    median, latest = (row.at + timedelta(seconds=seconds) for seconds in (row.median, row.latest))
    is_learnt = row.learnt_from >= conformal.ENOUGH
    return DoneBy(job_name(row.job_id), row.at, median, latest, row.learnt_from, is_learnt)


def level_of(connection: Connection, queue: str) -> float:
    """The share of limits of a queue that need not hold, as it was adapted."""
    level = connection.scalar(
        text("select level from ops.forecast_levels where queue = :queue"), {"queue": queue}
    )
    return conformal.MISSED if level is None else float(level)


def scores_of(connection: Connection, queue: str, now: datetime) -> Sequence[float]:
    """The latest scores of a queue, in their order."""
    rows = {"queue": queue, "now": now, "kept": conformal.KEPT}
    return list(connection.exec_driver_sql(statement("forecast_scores"), rows).scalars())


def _goes_on(queue: QueueSnapshot) -> bool:
    """Whether nothing holds the queue back that a person will end, nobody knows when."""
    held = queue.paused_at or queue.refused or queue.undispatched or queue.agent_only
    return not held and queue.slots > 0


def _forecast(
    job: Row[Any],
    capacity: Capacity,
    place: int,
    arrivals: Sequence[Arrivals] | None,
    scores: Sequence[float],
    level: float,
    now: datetime,
    office: tzinfo,
) -> Mapping[str, Any] | None:
    seconds = (job.deadline - now).total_seconds()
    ahead = end(capacity, place, _overtaking(arrivals, now, seconds, office))
    if ahead is None:
        return None
    half, most = conformal.quantile(scores, 0.5), conformal.quantile(scores, level)
    return {
        "job": job.id,
        "at": now,
        "is_last": job.is_last,
        "deadline": job.deadline,
        "priority": job.priority,
        "mean": ahead.mean,
        "deviation": ahead.deviation,
        # Before enough was learnt a quantile is that of the limit.
        "median": max(0.0, ahead.mean + (half * ahead.deviation if len(scores) >= conformal.ENOUGH else 0.0)),
        "latest": max(0.0, ahead.mean + most * ahead.deviation),
        "learnt_from": len(scores),
        "chance": conformal.late(scores, (seconds - ahead.mean) / ahead.deviation),
    }


def _overtaking(
    arrivals: Sequence[Arrivals] | None, now: datetime, seconds: float, office: tzinfo
) -> partial[Count]:
    if arrivals is None:
        return partial(_nothing)
    day = now.astimezone(office).date()
    passed = (now - midnight(day, office).astimezone(UTC)).total_seconds()
    return partial(profile.overtaking, arrivals, passed, seconds)


def _nothing(_: float) -> Count:
    return NOTHING


def _profile(connection: Connection, queue: str, now: datetime, office: tzinfo) -> Sequence[Arrivals] | None:
    """What comes to a queue on an average day before today; None if what comes later is served later."""
    policy = connection.scalar(text("select policy from oms.queues where name = :queue"), {"queue": queue})
    if policy == Policy.FIFO:
        return None
    today = midnight(now.astimezone(office).date(), office)
    rows = connection.execute(_ARRIVALS, {"queue": queue, "today": today, "zone": str(office)}).all()
    days = sorted({row.day for row in rows})[-profile.DAYS :]
    counts = [(row.since, row.sla, row.jobs) for row in rows if row.day in days]
    return profile.learnt(counts, len(days)) if days else []


_MAKE = text("""
insert into ops.forecasts (
    queue, job_id, at, is_last, deadline, priority, mean, deviation, median, latest, learnt_from, chance
) values (
    :queue, :job, :at, :is_last, :deadline, :priority,
    :mean, :deviation, :median, :latest, :learnt_from, :chance
)
""")
_BEGIN = text("""
insert into ops.arrivals_counted (until, job_id)
select :until, coalesce(max(id), 0) from oms.jobs
where created_at < :until and not exists (select from ops.arrivals_counted)
having not exists (select from ops.arrivals_counted)
on conflict do nothing
""")
_ARRIVALS = text("""
select
    cast(since at time zone :zone as date) as day,
    date_part('epoch', cast(since at time zone :zone as time)) as since,
    sla,
    cast(sum(jobs) as int) as jobs
from ops.arrivals
where queue = :queue and since < :today and since > cast(:today as timestamptz) - interval '30 days'
group by 1, 2, 3
""")
