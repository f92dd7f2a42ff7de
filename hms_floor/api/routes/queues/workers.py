"""Live workers and what they run."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.responses import Workers
from hms_oms.database import health
from hms_oms.documents.queues import Worker
from hms_oms.jobs import workers

router = APIRouter(route_class=Guarded, tags=["workers"])


@router.get("/workers")
def live(app_state: TheAppState) -> Workers:
    """The workers whose last beat is fresh."""
    with app_state.reading() as connection:
        live_workers, now = workers.live(connection), health.clock(connection)
    return Workers(tuple(_shown(worker, now) for worker in live_workers))


def _shown(worker: workers.Worker, now: datetime) -> Worker:
    age = max(0.0, (now - worker.beat_at).total_seconds())
    return Worker.of(worker, beat_age_seconds=round(age, 3))
