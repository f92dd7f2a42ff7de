"""Files of requests: accepted while they come in, or looked at first and started afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import IO, Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from hms_act import cycle, cycle_preview
from hms_act.cycle_preview import Preview
from hms_act.files import csv_rows, json_lines, majority
from hms_act.files.csv_rows import Refusal, Row
from hms_floor.api.access import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.problems import Problem, unprocessable
from hms_floor.api.requests.requests import JobType, Minutes, Word
from hms_floor.api.responses import cycles as answers
from hms_floor.api.uploads import Upload
from hms_floor.presentation import documents
from hms_oms.access import audit
from hms_oms.cycles import uploads
from hms_oms.cycles.cycles import Batch
from hms_oms.database import health
from hms_oms.queues import sla
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe
from hms_ops import sla_preview as forecasts

router = APIRouter(route_class=Guarded, tags=["cycles"])

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

_Type = Annotated[JobType, Query(alias="jobType")]
_Minutes = Annotated[Minutes | None, Query(alias="slaMinutes", description="Instead of the queue's SLA.")]
_Name = Annotated[Word, Query(description="Where the rows come from.")]
_Supersede = Annotated[
    bool,
    Query(description="Let rows replace jobs that have their key and other content, if they have not begun."),
]
_AcceptRefusals = Annotated[
    bool,
    Query(alias="acceptRefusals", description="Start even if one reason refuses more than half of the rows."),
]
_UploadId = Annotated[
    str, Path(alias="upload", pattern="^[A-Za-z0-9_-]{24}$", description="As the preview has named it.")
]


@router.post("/cycles", status_code=201, response_model=answers.AcceptedCycle, openapi_extra=_FILE)
async def accept(
    request: Request,
    app_state: TheAppState,
    who: Who,
    job_type: _Type,
    sla_minutes: _Minutes = None,
    name: _Name = "upload",
    supersede: _Supersede = False,
    accept_refusals: _AcceptRefusals = False,
) -> dict[str, Any]:
    """Accept every row of a file as a job. A row that is a job already makes no second one.

    A file of which one reason refuses more than half of the rows starts nothing, unless it is said so.
    """
    kind = _kind(request)
    with _place(app_state, who):
        stream = io.BufferedReader(Upload(request.stream()), _BUFFER)
        return await run_in_threadpool(
            _accept,
            app_state,
            who,
            stream,
            kind,
            job_type=job_type,
            sla_minutes=sla_minutes,
            name=name,
            supersede=supersede,
            accept_refusals=accept_refusals,
        )


@router.post("/cycles/preview", response_model=answers.Preview, openapi_extra=_FILE)
async def look(
    request: Request,
    app_state: TheAppState,
    who: Who,
    job_type: _Type,
    sla_minutes: _Minutes = None,
    name: _Name = "upload",
    keep: Annotated[bool, Query(description="Keep the file for a while, so that it can be started.")] = False,
) -> dict[str, Any]:
    """Tell what starting a file would do. Nothing is changed; with `keep` the same bytes can be started."""
    kind = _kind(request)
    with _place(app_state, who):
        stream = io.BufferedReader(Upload(request.stream()), _BUFFER)
        return await run_in_threadpool(
            _look,
            app_state,
            who,
            stream,
            kind,
            job_type=job_type,
            sla_minutes=sla_minutes,
            name=name,
            keep=keep,
        )


@router.post("/cycles/uploads/{upload}/start", status_code=201, response_model=answers.AcceptedCycle)
async def start(
    app_state: TheAppState, who: Who, upload: _UploadId, supersede: _Supersede = False
) -> dict[str, Any]:
    """Accept every row of a file that was kept by a preview, as it was previewed."""
    with _place(app_state, who):
        return await run_in_threadpool(_start, app_state, who, upload, supersede)


@router.post("/cycles/uploads/{upload}/discard", status_code=204)
def discard(app_state: TheAppState, who: Who, upload: _UploadId) -> None:
    """Delete a file that was kept by a preview."""
    with app_state.writing() as connection:
        uploads.discard(connection, upload, who.actor)
        audit.write(connection, [who.act(None, status=204)])


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
    accept_refusals: bool,
) -> dict[str, Any]:
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
    )
    refused: list[Refusal] = []
    batch: Batch | None = None
    try:
        for each in news:
            if isinstance(each, Batch):
                batch = each
            elif len(refused) < MOST_REFUSED:
                refused.append(each)
    finally:
        # Also of a file that was cut off: what had come in is accepted.
        if batch is not None:
            _note(app_state, who, batch, supersede)
    assert batch is not None
    told = [{"line": row.line, "field": row.field, "reason": row.reason} for row in refused]
    return documents.batch(batch) | {"refusedRows": told}


def _note(app_state: AppState, who: Caller, batch: Batch, supersede: bool) -> None:
    counts = {"accepted": batch.accepted, "duplicates": batch.duplicates, "refused": batch.refused}
    counts |= {"supersede": True} if supersede else {}
    status = 201 if batch.closed_at else 400
    with app_state.writing() as connection:
        act = who.act(f"cycle-{batch.id}", status=status, detail={"type": batch.type, **counts})
        audit.write(connection, [act])


def _start(app_state: AppState, who: Caller, upload: str, supersede: bool) -> dict[str, Any]:
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
) -> dict[str, Any]:
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
        found = cycle_preview.of(app_state.engine, recipe, _rows(recipe, stream, kind))
    except BaseException:
        if kept is not None:
            with app_state.writing() as connection:
                uploads.discard(connection, kept.id, who.actor)
        raise
    with app_state.reading() as connection:
        ahead = _ahead(connection, recipe, found, sla_minutes)
    waiting = {"upload": kept and kept.id, "expiresAt": kept and documents.stamp(kept.expires_at)}
    return {"type": job_type, "name": name, **waiting, **_document(found), **ahead}


def _ahead(
    connection: Connection, recipe: Recipe, found: Preview, sla_minutes: float | None
) -> dict[str, Any]:
    """When the new jobs would be due, and how they would fare."""
    now = health.clock(connection)
    minutes = sla_minutes if sla_minutes is not None else sla.minutes_in_force(connection, recipe.queue)
    due = now + timedelta(minutes=minutes)
    arrival = forecasts.more(connection, recipe.queue, jobs=found.new, deadline=due) if found.new else None
    forecast = None if arrival is None else documents.record(arrival)
    if arrival is not None and forecast is not None:
        forecast["onTimeShare"] = round(1 - arrival.late / found.new, 4)
    return {
        "now": documents.stamp(now),
        "due": documents.stamp(due),
        "slaMinutes": minutes,
        "forecast": forecast,
    }


def _document(found: Preview) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "new": found.new,
        "duplicates": found.known + found.differing,
        "differing": found.differing,
        "replaceable": found.replaceable,
        "refused": found.refused,
        "refusals": [documents.record(each) for each in found.refusals],
        "refusedRows": [documents.refused_row(each) for each in found.refused_rows],
        "differingRows": [documents.repeated_row(each) for each in found.differing_rows],
    }
