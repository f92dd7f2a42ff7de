"""Metrics for Prometheus, and the state of the watch."""

from __future__ import annotations

from fastapi import APIRouter, Response

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.transport.refused import OwnCounts
from hms_ops import health, heartbeats, prometheus
from hms_ops.documents.calling import Part, Status

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


@router.get("/ops")
def status(app_state: TheAppState) -> Status:
    """How each part stands, and whether people are called; well if none has failed and nobody is awaited."""
    with app_state.reading() as connection:
        pulses = heartbeats.status(connection)
        ledger = health.read(connection)
    parts = app_state.observer.parts(ledger)
    return Status(
        ok=health.is_well(parts, ledger.incidents),
        beats=tuple(pulses),
        parts=tuple(map(Part.of, parts)),
    )
