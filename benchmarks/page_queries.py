"""What pages ask of the ledger: each question timed, on a ledger of many jobs."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from datetime import UTC, timedelta
from statistics import median
from typing import Any

import sqlalchemy as sa

from benchmarks.results import Result
from benchmarks.rounds import say
from hms_floor.pages.live import capacity
from hms_floor.presentation import explanation, overview
from hms_floor.presentation.past import past
from hms_oms.database import health
from hms_oms.jobs import workers
from hms_oms.jobs.queries import by_deadline, read
from hms_oms.jobs.states import OPEN
from hms_oms.messages import outbox
from hms_ops.incidents import actions
from hms_ops.reports import misses, sla_report

BAR = 50.0
QUEUE = "farm-grant"
#: As far as pages count.
COUNTED = 10_000
#: What all jobs are about; 3,000 of them end in a day, one in twenty late.
PAYLOAD: dict[str, Any] = {
    "appId": 1,
    "name": "Ada Byron",
    "phone": "541-555-0168",
    "countyFips": "41069",
    "crop": "rice",
    "acres": 100,
    "amountRequested": 5000,
    "submittedOn": "2026-01-29",
}

_JOBS = """
insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload, requested_by,
    priority, created_at, since, finished_at, outcome, key)
select 'farm:grant:v1', id, '{validate,inspect,notify}', 'farm-grant',
    case when n <= :open then 'waiting' else 'done' end,
    case when n <= :open then oms.now() + interval '1 day' + n * interval '1 second'
        else at + interval '1 hour' end,
    60, cast(:payload as jsonb), 'bench', 0, at, at,
    case when n > :open then at + interval '59 minutes' + (n % 20 = 0)::int
        * (60 + n % 997) * interval '1 second' end,
    'assigned', 'bench-' || n
from oms.recipes, generate_series(1, :jobs) as n,
    lateral (select oms.now() - interval '1 hour' - n * interval '28.8 seconds' as at) as times
where type = 'farm:grant:v1'
order by n desc
"""
_TEXTS = """
insert into oms.messages (token, job_id, kind, recipient, body, state, created_at, finished_at)
select 'bench-' || id, id, 'grant', '+12025550143', 'Farm grant: assigned.', 'delivered', finished_at,
    finished_at
from oms.jobs where finished_at is not null
"""
_SAMPLES = """
insert into ops.samples (at, name, queue, subject, value)
select date_trunc('minute', oms.now()) - n * interval '1 minute', name, 'farm-grant', subject, n % 100
from generate_series(1, :minutes) as n,
    (values ('queue.length', 'backlog'), ('queue.length', 'delayed'), ('queue.length', 'window'),
        ('queue.length', 'running'), ('queue.waitTime', ''), ('queue.waitTime.p95', ''),
        ('queue.throughput', ''), ('sla.breached', '')) as kept (name, subject)
on conflict do nothing
"""


def fill(engine: sa.Engine, number: int, still_open: int) -> None:
    """Put so many jobs into the ledger, some of them open, with their texts; all others are gone."""
    with engine.begin() as connection:
        connection.exec_driver_sql("truncate oms.jobs, oms.job_search restart identity cascade")
        connection.execute(
            sa.text(_JOBS), {"jobs": number, "open": still_open, "payload": json.dumps(PAYLOAD)}
        )
        connection.exec_driver_sql(_TEXTS)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze oms.jobs, oms.messages")


def measure(engine: sa.Engine, number: int) -> Result:
    """The slowest of all that pages ask of a ledger of so many jobs, a tenth of them open."""
    fill(engine, number, number // 10)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(_SAMPLES), {"minutes": 40_000})
        connection.exec_driver_sql("vacuum analyze ops.samples")
    spent = {}
    with engine.connect() as connection:
        for name, ask in _questions(connection, number).items():
            ask()
            spent[name] = 1000 * median(_timed(ask) for _ in range(5))
    say(f"pages: asked {len(spent)} questions of {number:,} jobs")
    slowest = sorted(spent, key=lambda name: spent[name], reverse=True)
    return Result(
        "page-query",
        f"the slowest of what pages ask, {number:,} jobs",
        spent[slowest[0]],
        "ms",
        BAR,
        at_most=True,
        note="; ".join(f"{name} {spent[name]:.1f}" for name in slowest[:4]),
        detail={name: round(spent[name], 2) for name in slowest},
    )


def _timed(ask: Callable[[], object]) -> float:
    began = time.perf_counter()
    ask()
    return time.perf_counter() - began


def _sorted(connection: sa.Connection, selected: read.Filter, *, latest_first: bool = False) -> object:
    return by_deadline.find(connection, selected, latest_first=latest_first, limit=50, skip=0)


def _questions(connection: sa.Connection, number: int) -> dict[str, Callable[[], object]]:
    now = health.clock(connection)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day, quarter, week = (
        now - timedelta(days=1),
        now - timedelta(days=90),
        sla_report.week(now - timedelta(days=7), UTC),
    )
    every, queue, job = read.Filter(), read.Filter(queue=QUEUE), number - 7
    failed, late = read.Filter(status=("failed",)), read.Filter(late=True)
    still_open = read.Filter(status=tuple(OPEN))
    open_here = dataclasses.replace(still_open, queue=QUEUE)
    recent = read.Filter(created_from=now - timedelta(days=2), created_to=now - timedelta(days=1))
    return {
        "board": lambda: overview.read(connection),
        "incidents": lambda: actions.find(connection, limit=20),
        "pages": lambda: outbox.last_pages(connection, 5),
        "texts today": lambda: outbox.to_applicants(connection, since=midnight),
        "a queue's day": lambda: past.read(connection, QUEUE, day, now, None, UTC),
        "a queue's ninety days": lambda: past.read(connection, QUEUE, quarter, now, "week", UTC),
        "demand": lambda: capacity.due(connection, QUEUE, number // 10),
        "peek": lambda: read.peek(connection, QUEUE, 100),
        "jobs": lambda: read.find(connection, every, limit=50),
        "jobs counted": lambda: by_deadline.count(connection, every, COUNTED),
        "failed jobs": lambda: read.find(connection, failed, limit=50),
        "jobs of a queue": lambda: read.find(connection, queue, limit=50),
        "open jobs by deadline": lambda: _sorted(connection, still_open),
        "open jobs by lateness": lambda: _sorted(connection, still_open, latest_first=True),
        "open jobs of a queue by deadline": lambda: _sorted(connection, open_here),
        "late jobs": lambda: read.find(connection, late, limit=50),
        "late jobs counted": lambda: by_deadline.count(connection, late, COUNTED),
        "late jobs by deadline": lambda: _sorted(connection, late),
        "late jobs by lateness": lambda: _sorted(connection, late, latest_first=True),
        "a day's jobs": lambda: read.find(connection, recent, limit=50),
        "a day's jobs counted": lambda: by_deadline.count(connection, recent, COUNTED),
        "job": lambda: (read.get(connection, job), read.event_log(connection, job)),
        "explain": lambda: explanation.read(connection, job, UTC),
        "texts of a job": lambda: outbox.texts_of(connection, job=job, limit=50),
        "workers": lambda: workers.live(connection),
        "week": lambda: sla_report.report(connection, *week, UTC),
        "eight weeks": lambda: sla_report.by_day(connection, None, 56, UTC),
        "lateness": lambda: sla_report.lateness(connection, None, *week),
        "misses": lambda: misses.worst(connection, *week),
    }
