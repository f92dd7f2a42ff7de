"""Rows of a cycle's file that made no job: refused ones with their reason, and those with a known key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests.requests import Cursor, Limit
from hms_floor.api.responses import RefusedRows, RepeatedRows, next_page
from hms_floor.api.transport.problems import Problem
from hms_floor.presentation import spreadsheets
from hms_oms.cycles import cycle_rows, cycles
from hms_oms.documents.cycles import RefusedRow

router = APIRouter(route_class=Guarded, tags=["cycles"])

Number = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="The number of a cycle.")]

#: So many rows does a sheet of a workbook hold, below its header.
_MOST_ROWS = (1 << 20) - 1
_HEADER = ("line", "field", "reason", "original")


@router.get("/cycles/{id}/refused")
def refused(app_state: TheAppState, number: Number, cursor: Cursor = None, limit: Limit = 50) -> RefusedRows:
    """The rows that were refused, in the order of the file, each as it came."""
    with app_state.reading() as connection:
        cycles.get(connection, number)
        rows = cycle_rows.find(connection, number, ["refused"], limit=limit, after=cursor or 0)
    return RefusedRows(tuple(map(RefusedRow.of, rows)), next_page(rows, limit, by="line"))


@router.get(
    "/cycles/{id}/refused.csv", response_class=Response, responses={200: {"content": {"text/csv": {}}}}
)
def refused_csv(app_state: TheAppState, number: Number) -> Response:
    """All refused rows as CSV for a spreadsheet: line, field, reason and the row as it came."""
    with app_state.reading() as connection:
        cycles.get(connection, number)
    lines = spreadsheets.csv_lines(_HEADER, _refused(app_state, number))
    return StreamingResponse(lines, headers=_attachment(number, "csv"), media_type=spreadsheets.CSV)


@router.get(
    "/cycles/{id}/refused.xlsx",
    response_class=Response,
    responses={200: {"content": {spreadsheets.XLSX: {}}}},
)
def refused_xlsx(app_state: TheAppState, number: Number) -> Response:
    """All refused rows as an Excel workbook: line, field, reason and the row as it came."""
    with app_state.reading() as connection:
        batch = cycles.get(connection, number)
    if batch.refused > _MOST_ROWS:
        raise Problem(
            409, f"a workbook holds {_MOST_ROWS:,} rows, and {batch.refused:,} were refused: take CSV"
        )
    book = spreadsheets.workbook("Refused rows", _HEADER, _refused(app_state, number))
    return Response(book, headers=_attachment(number, "xlsx"), media_type=spreadsheets.XLSX)


@router.get("/cycles/{id}/duplicates")
def duplicates(
    app_state: TheAppState,
    who: Who,
    number: Number,
    differing: Annotated[bool, Query(description="Only rows with other content than the job has.")] = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> RepeatedRows:
    """The rows whose key a job had already, and the fields in which they differ from it."""
    results: list[cycle_rows.Result] = ["differs"] if differing else ["known", "differs"]
    with app_state.reading() as connection:
        cycles.get(connection, number)
        rows = cycle_rows.find(connection, number, results, limit=limit, after=cursor or 0)
    shown = tuple(visible.repeated_row(row, sees_values=who.sees_payloads) for row in rows)
    return RepeatedRows(shown, next_page(rows, limit, by="line"))


def _refused(app_state: AppState, number: int) -> Iterator[spreadsheets.Row]:
    with app_state.reading() as connection:
        for row in cycle_rows.every(connection, number, ["refused"]):
            yield row.line, row.field, row.reason, row.original


def _attachment(number: int, kind: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="cycle-{number}-refused.{kind}"'}
