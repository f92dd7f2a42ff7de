"""What is measured, as Prometheus reads it, and whether the watch is at work."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from hms_floor.api.access import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.refused import OwnCounts
from hms_floor.api.responses import ops as answers
from hms_ops import health, heartbeats, prometheus

router = APIRouter(route_class=Guarded, tags=["ops"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(app_state: TheAppState) -> Response:
    """The newest metrics, as Prometheus reads them."""
    with app_state.reading() as connection:
        return Response(
            prometheus.render(connection, OwnCounts(app_state.shares.open)),
            media_type=prometheus.CONTENT_TYPE,
        )


@router.get("/ops", response_model=answers.Status)
def status(app_state: TheAppState) -> dict[str, Any]:
    """Whether people are called: by the watch and the pager, and whether anybody would be reached."""
    with app_state.reading() as connection:
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
