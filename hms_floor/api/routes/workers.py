"""Workers: who works, and on what."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from hms_floor.api.access import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.responses import queues as answers
from hms_floor.presentation import documents
from hms_oms.database import health
from hms_oms.jobs import workers

router = APIRouter(route_class=Guarded, tags=["workers"])


@router.get("/workers", response_model=answers.Workers)
def live(app_state: TheAppState) -> dict[str, Any]:
    """The workers whose last beat is fresh."""
    with app_state.reading() as connection:
        found, now = workers.live(connection), health.clock(connection)
    return {"workers": [documents.worker(each, now) for each in found]}
