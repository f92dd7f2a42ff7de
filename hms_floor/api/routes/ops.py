"""What is measured, as Prometheus reads it, and whether the watch is at work."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from hms_floor.api.access import Guarded
from hms_floor.api.app_state import TheDoor
from hms_floor.api.refused import OwnCounts
from hms_floor.api.responses import ops as answers
from hms_ops import health, heartbeats, prometheus

router = APIRouter(route_class=Guarded, tags=["ops"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(door: TheDoor) -> Response:
    """The newest metrics, as Prometheus reads them."""
    with door.reading() as connection:
        return Response(
            prometheus.render(connection, OwnCounts(door.shares.open)), media_type=prometheus.CONTENT_TYPE
        )


@router.get("/ops", response_model=answers.Status)
def status(door: TheDoor) -> dict[str, Any]:
    """Whether people are called: by the watch and the pager, and whether anybody would be reached."""
    with door.reading() as connection:
        found = heartbeats.status(connection)
        parts = health.of_calling(health.read(connection))
    beats = [
        {
            "name": each.name,
            "at": each.at,
            "ageSeconds": each.age,
            "stale": each.stale,
            "detail": dict(each.detail),
        }
        for each in found
    ]
    return {
        "ok": not any(part.light == health.BAD for part in parts),
        "beats": beats,
        "parts": [{"name": part.name, "light": part.light, "words": part.words} for part in parts],
    }
