"""Workers: who works, and on what."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from hms_floor.api.access import Guarded
from hms_floor.api.answers import queues as answers
from hms_floor.api.door import TheDoor
from hms_floor.cli import documents
from hms_oms import health, presence

router = APIRouter(route_class=Guarded, tags=["workers"])


@router.get("/workers", response_model=answers.Workers)
def live(door: TheDoor) -> dict[str, Any]:
    """The workers whose last beat is fresh."""
    with door.reading() as connection:
        found, now = presence.live(connection), health.clock(connection)
    return {"workers": [documents.worker(each, now) for each in found]}
