"""Open and late jobs by deadline and lateness, page by page, as if all had been sorted."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.jobs import on_time
from hms_oms.jobs.queries import by_deadline
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.states import OPEN
from hms_oms.recipes.recipes import Recipe

MINUTE = timedelta(minutes=1)
_INSERT = sa.text(
    "insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload, requested_by,"
    " finished_at, held_at, error) values ('shop:order:v1', 1, '{pick,pack,send}', :queue, :status, :sla, 30,"
    " '{}', 'test', :ended, :held, case when :status = 'failed' then '{}'::jsonb end) returning id"
)


@dataclass(frozen=True)
class Stand:
    """How a job stands."""

    queue: str
    status: str
    sla: datetime
    ended: datetime | None
    held: datetime | None

    def late(self, now: datetime) -> bool:
        """Whether it missed its deadline."""
        is_held = self.held is not None and self.ended is None
        return not is_held and on_time.missed(self.status, self.ended, self.sla, now)


@pytest.fixture
def standing(engine: sa.Engine, shop: Recipe) -> dict[int, Stand]:
    """Jobs of every kind in two queues, by their ids; no two have the same deadline or lateness."""
    draw = random.Random(17)
    jobs = {}
    with engine.begin() as connection:
        now = health.clock(connection)
        for number in range(120):
            status = draw.choice(
                ["waiting", "waiting", "queued", "running", "done", "done", "failed", "cancelled"]
            )
            sla = now + timedelta(seconds=draw.randint(-9000, 9000), milliseconds=number)
            is_open = status in OPEN
            ended = None if is_open else min(now, sla + timedelta(seconds=draw.randint(-5000, 5000)))
            held = now - MINUTE if status == "waiting" and draw.random() < 0.2 else None
            stand = Stand(draw.choice(["shop", "returns"]), status, sla, ended, held)
            job = connection.scalar(_INSERT, vars(stand))
            jobs[int(job or 0)] = stand
    return jobs


FILTERS = (
    Filter(late=True),
    Filter(late=True, queue="shop"),
    Filter(late=True, status=("failed",)),
    Filter(late=True, status=("waiting", "done")),
    Filter(status=tuple(OPEN)),
    Filter(status=("waiting",), queue="returns"),
    Filter(status=tuple(OPEN), held=True),
)


def test_pages_are_those_of_all_sorted(engine: sa.Engine, standing: dict[int, Stand]) -> None:
    """Whatever the filter: each job once, in its place; and as many are counted as there are."""
    with engine.connect() as connection:
        now = health.clock(connection)
        for selected, latest_first in itertools.product(FILTERS, (False, True)):
            pages = [
                by_deadline.find(connection, selected, latest_first=latest_first, limit=7, skip=skip)
                for skip in range(0, len(standing), 7)
            ]
            expected = _sorted(standing, selected, now, latest_first=latest_first)
            assert len(expected) > 3
            assert [job.id for page in pages for job in page] == expected, selected
            assert by_deadline.count(connection, selected, 1000) == len(expected)
            assert by_deadline.count(connection, selected, 3) == 4


def _sorted(standing: dict[int, Stand], selected: Filter, now: datetime, *, latest_first: bool) -> list[int]:
    def meant(stand: Stand) -> bool:
        return (
            (not selected.late or stand.late(now))
            and (not selected.status or stand.status in selected.status)
            and selected.queue in (None, stand.queue)
            and (not selected.held or stand.held is not None)
        )

    def place(job: int) -> Any:
        stand = standing[job]
        return stand.sla - (stand.ended or now) if latest_first else stand.sla

    return sorted((job for job, stand in standing.items() if meant(stand)), key=place)
