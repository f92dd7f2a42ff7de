"""Upload files of requests: accept them directly, or preview them and start them afterwards."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import IO, Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from hms_act import cycle, cycle_preview
from hms_act.files import csv_rows, json_lines, majority
from hms_act.files.csv_rows import Refusal, Row
from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests import cycle_options as options
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_floor.api.transport.uploads import Upload
from hms_oms.access import audit
from hms_oms.cycles import uploads
from hms_oms.database import health
from hms_oms.documents.cycles import AcceptedCycle, Arrival, Cycle, CyclePreview, Refused, RefusedRow
from hms_oms.queues import calendars, sla
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe
from hms_ops import sla_preview as forecasts

router = APIRouter(route_class=Guarded, tags=["cycles"])
Answer = TypeVar("Answer")

#: So many refused rows are told one by one.
MOST_REFUSED = 10_000
CSV, LINES = "text/csv", "application/x-ndjson"
_BUFFER = 1 << 16

_FILE = {
    "requestBody": {
        "required": True,
        "description": "The file itself: CSV with a header, or one JSON object a line.",
        "content": {
            CSV: {"schema": {"type": "string"}},
            LINES: {"schema": {"type": "string"}},
        },
    }
}

_UploadId = Annotated[
    str, Path(alias="upload", pattern="^[A-Za-z0-9_-]{24}$", description="As the preview has named it.")
]


@router.post("/cycles", status_code=201, openapi_extra=_FILE)
async def accept(
    request: Request,
    app_state: TheAppState,
    who: Who,
    job_type: options.Type,
    sla_minutes: options.Minutes = None,
    name: options.Name = "upload",
    supersede: options.Supersede = False,
    must: options.Must = None,
    accept_refusals: options.AcceptRefusals = False,
) -> AcceptedCycle:
    """Accept every row of a file as a job. A row that is a job already makes no second one.

    A file of which one reason refuses more than half of the rows starts nothing, unless it is said so.
    """
    return await _read_body(
        _accept,
        request,
        app_state,
        who,
        job_type=job_type,
        sla_minutes=sla_minutes,
        name=name,
        supersede=supersede,
        must=must,
        accept_refusals=accept_refusals,
    )


@router.post("/cycles/preview", openapi_extra=_FILE)
async def look(
    request: Request,
    app_state: TheAppState,
    who: Who,
    job_type: options.Type,
    sla_minutes: options.Minutes = None,
    name: options.Name = "upload",
    keep: Annotated[bool, Query(description="Keep the file for a while, so that it can be started.")] = False,
) -> CyclePreview:
    """Tell what starting a file would do. Nothing is changed; with `keep` the same bytes can be started."""
    return await _read_body(
        _look,
        request,
        app_state,
        who,
        job_type=job_type,
        sla_minutes=sla_minutes,
        name=name,
        keep=keep,
    )


@router.post("/cycles/uploads/{upload}/start", status_code=201)
async def start(
    app_state: TheAppState,
    who: Who,
    upload: _UploadId,
    supersede: options.Supersede = False,
    must: options.Must = None,
) -> AcceptedCycle:
    """Accept every row of a file that was kept by a preview, as it was previewed."""
    with _place(app_state, who):
        return await run_in_threadpool(_start, app_state, who, upload, supersede, must)


@router.post("/cycles/uploads/{upload}/discard", status_code=204)
def discard(app_state: TheAppState, who: Who, upload: _UploadId) -> None:
    """Delete a file that was kept by a preview; like the preview, it changes nothing that is audited."""
    with app_state.writing() as connection:
        uploads.discard(connection, upload, who.actor)


async def _read_body(
    work: Callable[..., Answer], request: Request, app_state: AppState, who: Caller, **more: Any
) -> Answer:
    """Have `work` read the file that is the body of a request while it comes in."""
    kind = _kind(request)
    with _place(app_state, who):
        stream = io.BufferedReader(Upload(request.stream()), _BUFFER)
        return await run_in_threadpool(work, app_state, who, stream, kind, **more)


def _kind(request: Request) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (CSV, LINES):
        raise Problem(415, f"a file of requests is {CSV} or {LINES}")
    return kind


def _place(app_state: AppState, who: Caller) -> AbstractContextManager[None]:
    return app_state.shares.hold("upload", who.badge.jti, who.source)


def _recipe(app_state: AppState, job_type: str, kind: str) -> Recipe:
    recipe = recipes.find(app_state.recipes, job_type)
    if kind == CSV and not recipe.columns:
        raise unprocessable(("jobType", f"{job_type} has no columns, so no CSV file can be read by it"))
    return recipe


def _rows(recipe: Recipe, stream: IO[bytes], kind: str) -> Iterator[Row | Refusal]:
    return csv_rows.read(stream, recipe) if kind == CSV else json_lines.read(stream, recipe)


def _accept(
    app_state: AppState,
    who: Caller,
    stream: IO[bytes],
    kind: str,
    *,
    job_type: str,
    sla_minutes: float | None,
    name: str,
    supersede: bool,
    must: bool | None,
    accept_refusals: bool,
) -> AcceptedCycle:
    recipe = _recipe(app_state, job_type, kind)
    rows = _rows(recipe, stream, kind)
    if not accept_refusals:
        rows = majority.checked(rows)
    news = cycle.accept_rows(
        app_state.engine,
        recipe,
        rows,
        name=name,
        requested_by=who.actor,
        sla_minutes=sla_minutes,
        supersede=supersede,
        must=must,
    )
    refused: list[Refused] = []
    batch: Cycle | None = None
    try:
        for item in news:
            if isinstance(item, Cycle):
                batch = item
            elif len(refused) < MOST_REFUSED:
                refused.append(Refused.of(item))
    finally:
        # Also of a file that was cut off: what had come in is accepted.
        if batch is not None:
            _note(app_state, who, batch, supersede)
    assert batch is not None
    return AcceptedCycle.of(batch, refused_rows=tuple(refused))


def _note(app_state: AppState, who: Caller, batch: Cycle, supersede: bool) -> None:
    counts = {"accepted": batch.accepted, "duplicates": batch.duplicates, "refused": batch.refused}
    counts |= {"supersede": True} if supersede else {}
    status = 201 if batch.closed_at else 400
    with app_state.writing() as connection:
        act = who.act(f"cycle-{batch.id}", status=status, detail={"type": batch.type, **counts})
        audit.write(connection, [act])


def _start(
    app_state: AppState, who: Caller, upload: str, supersede: bool, must: bool | None
) -> AcceptedCycle:
    with app_state.writing() as connection:
        kept = uploads.take(connection, upload, who.actor)
    stream = io.BufferedReader(uploads.Pieces(app_state.engine, kept.id), _BUFFER)
    try:
        return _accept(
            app_state,
            who,
            stream,
            kept.media_type,
            job_type=kept.type,
            sla_minutes=kept.sla_minutes,
            name=kept.name,
            supersede=supersede,
            must=must,
            # Anyone who starts it has seen by the preview what would be refused.
            accept_refusals=True,
        )
    finally:
        with app_state.writing() as connection:
            uploads.discard(connection, kept.id, who.actor)


def _look(
    app_state: AppState,
    who: Caller,
    stream: IO[bytes],
    kind: str,
    *,
    job_type: str,
    sla_minutes: float | None,
    name: str,
    keep: bool,
) -> CyclePreview:
    recipe = _recipe(app_state, job_type, kind)
    kept = None
    if keep:
        kept = uploads.keep(
            app_state.engine,
            stream,
            actor=who.actor,
            job_type=job_type,
            name=name,
            media_type=kind,
            sla_minutes=sla_minutes,
        )
        stream = io.BufferedReader(uploads.Pieces(app_state.engine, kept.id), _BUFFER)
    try:
        preview = cycle_preview.of(app_state.engine, recipe, _rows(recipe, stream, kind))
    except BaseException:
        if kept is not None:
            with app_state.writing() as connection:
                uploads.discard(connection, kept.id, who.actor)
        raise
    with app_state.reading() as connection:
        now = health.clock(connection)
        minutes = sla_minutes if sla_minutes is not None else sla.minutes_in_force(connection, recipe.queue)
        by_calendar = calendars.deadline(connection, recipe.queue, minutes)
        due = by_calendar.at if by_calendar else now + timedelta(minutes=minutes)
        forecast = _arrival(connection, recipe, preview.new, due)
    return CyclePreview.of(
        preview,
        type=job_type,
        name=name,
        upload=kept and kept.id,
        expires_at=kept and kept.expires_at,
        duplicates=preview.known + preview.differing,
        refusals=tuple(preview.refusals),
        refused_rows=tuple(map(RefusedRow.of, preview.refused_rows)),
        differing_rows=tuple(map(visible.repeated_row, preview.differing_rows)),
        now=now,
        due=due,
        sla_minutes=minutes,
        forecast=forecast,
    )


def _arrival(connection: Connection, recipe: Recipe, jobs: int, due: datetime) -> Arrival | None:
    """Forecast for this many new jobs."""
    arrival = forecasts.more(connection, recipe.queue, jobs=jobs, deadline=due) if jobs else None
    return None if arrival is None else Arrival.of(arrival, on_time_share=round(1 - arrival.late / jobs, 4))
