"""Cycles: list, progress and report."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests.requests import Cursor, Limit
from hms_floor.api.responses import Cycles, next_page
from hms_floor.presentation import cycle_report
from hms_oms.cycles import cycle_rows, cycles
from hms_oms.documents.cycles import CycleReport
from hms_oms.recipes import hooks

router = APIRouter(route_class=Guarded, tags=["cycles"])


@router.get("/cycles")
def find(app_state: TheAppState, cursor: Cursor = None, limit: Limit = 20) -> Cycles:
    """List the cycles, newest first."""
    with app_state.reading() as connection:
        page = cycles.find(connection, limit, after=cursor)
    return Cycles(tuple(page), next_page(page, limit))


@router.get("/cycles/{id:cycle}")
def get(
    app_state: TheAppState,
    number: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="The number of a cycle.")],
) -> CycleReport:
    """What came of a cycle so far."""
    with app_state.reading() as connection:
        report, refusals = cycles.report(connection, number), cycle_rows.refusals(connection, number)
    declared = hooks.outcomes(app_state.recipes.get(report.batch.type))
    sums = cycle_report.sums(report, declared)
    return CycleReport.of(
        report.batch,
        progress=report.progress,
        report=sums,
        refusals=tuple(refusals),
        wait_seconds=_seconds(report.wait),
        total_seconds=_seconds(report.total),
        sla_minutes_range=report.sla_minutes,
        outcomes=sums["outcomes"],
        texts_by_state=report.texts,
        finished_at=report.finished_at,
    )


def _seconds(spans: tuple[timedelta, timedelta] | None) -> tuple[float, float] | None:
    return None if spans is None else (spans[0].total_seconds(), spans[1].total_seconds())
