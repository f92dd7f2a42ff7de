"""Cycles: how they stand, and what came of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from hms_floor.api.access import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests.requests import Cursor, Limit
from hms_floor.api.responses import cycles as answers
from hms_floor.presentation import documents
from hms_oms.cycles import cycle_rows, cycles
from hms_oms.cycles.cycle_rows import Refusals
from hms_oms.cycles.cycles import Report

router = APIRouter(route_class=Guarded, tags=["cycles"])


@router.get("/cycles", response_model=answers.Cycles)
def find(app_state: TheAppState, cursor: Cursor = None, limit: Limit = 20) -> dict[str, Any]:
    """List the cycles, newest first."""
    with app_state.reading() as connection:
        found = cycles.find(connection, limit, after=cursor)
    more = str(found[-1].id) if len(found) == limit else None
    return {"cycles": [documents.batch(each) for each in found], "next": more}


@router.get("/cycles/{id}", response_model=answers.CycleReport)
def get(
    app_state: TheAppState,
    number: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="The number of a cycle.")],
) -> dict[str, Any]:
    """What came of a cycle so far."""
    with app_state.reading() as connection:
        return _report(cycles.report(connection, number), cycle_rows.refusals(connection, number))


def _report(found: Report, refusals: list[Refusals]) -> dict[str, Any]:
    def pair(spans: Any) -> tuple[float, float] | None:
        return None if spans is None else (spans[0].total_seconds(), spans[1].total_seconds())

    return documents.batch(found.batch) | {
        "progress": documents.record(found.progress),
        "report": documents.report(found),
        "waitSeconds": pair(found.wait),
        "totalSeconds": pair(found.total),
        "slaMinutesRange": found.sla_minutes,
        "outcomes": dict(found.outcomes),
        "textsByState": documents.record(found.texts),
        "refusals": [documents.record(each) for each in refusals],
        "finishedAt": found.finished_at and documents.stamp(found.finished_at),
    }
