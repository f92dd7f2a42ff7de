"""Cycles: a file of requests, taken in while it comes; how cycles stand."""

from __future__ import annotations

import io
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool

from hms_act import cycle, json_lines
from hms_act.intake import Refusal
from hms_floor.api.access import Caller, Guarded, Who
from hms_floor.api.answers import cycles as answers
from hms_floor.api.asked import Cursor, JobType, Limit, Minutes, Word
from hms_floor.api.door import MOST_UPLOADS, Door, TheDoor
from hms_floor.api.problems import Problem, busy, unprocessable
from hms_floor.api.uploads import Upload
from hms_floor.cli import documents
from hms_oms import audit, batches, recipes
from hms_oms.batches import Batch, Report

router = APIRouter(route_class=Guarded, tags=["cycles"])

#: So many refused rows are told one by one.
MOST_REFUSED = 10_000
CSV, LINES = "text/csv", "application/x-ndjson"

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


@router.post("/cycles", status_code=201, response_model=answers.AcceptedCycle, openapi_extra=_FILE)
async def accept(
    request: Request,
    door: TheDoor,
    who: Who,
    job_type: Annotated[JobType, Query(alias="jobType")],
    sla_minutes: Annotated[Minutes | None, Query(alias="slaMinutes")] = None,
    name: Annotated[Word, Query(description="Where the rows come from.")] = "upload",
) -> dict[str, Any]:
    """Accept every row of a file as a job. A row that is a job already makes no second one."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (CSV, LINES):
        raise Problem(415, f"a file of requests is {CSV} or {LINES}")
    if door.uploads.locked():
        raise busy(f"{MOST_UPLOADS} files are coming in already", 5)
    async with door.uploads:
        stream = Upload(request.stream())
        return await run_in_threadpool(
            _accept, door, who, stream, kind, job_type=job_type, sla_minutes=sla_minutes, name=name
        )


def _accept(
    door: Door,
    who: Caller,
    stream: Upload,
    kind: str,
    *,
    job_type: str,
    sla_minutes: float | None,
    name: str,
) -> dict[str, Any]:
    recipe = recipes.find(door.recipes, job_type)
    if kind == CSV and not recipe.columns:
        raise unprocessable(("jobType", f"{job_type} has no columns, so no CSV file can be read by it"))
    told: dict[str, Any] = {"name": name, "requested_by": who.actor, "sla_minutes": sla_minutes}
    file = io.BufferedReader(stream, 1 << 16)
    if kind == CSV:
        news = cycle.accept_file(door.engine, recipe, file, **told)
    else:
        news = cycle.accept_rows(door.engine, recipe, json_lines.read(file, recipe), **told)
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
            _note(door, who, batch)
    assert batch is not None
    rows = [{"line": row.line, "field": row.field, "reason": row.reason} for row in refused]
    return documents.batch(batch) | {"refusedRows": rows}


def _note(door: Door, who: Caller, batch: Batch) -> None:
    counts = {"accepted": batch.accepted, "duplicates": batch.duplicates, "refused": batch.refused}
    status = 201 if batch.closed_at else 400
    with door.writing() as connection:
        act = who.act(f"cycle-{batch.id}", status=status, detail={"type": batch.type, **counts})
        audit.write(connection, [act])


@router.get("/cycles", response_model=answers.Cycles)
def find(door: TheDoor, cursor: Cursor = None, limit: Limit = 20) -> dict[str, Any]:
    """List the cycles, newest first."""
    with door.reading() as connection:
        found = batches.find(connection, limit, after=cursor)
    more = str(found[-1].id) if len(found) == limit else None
    return {"cycles": [documents.batch(each) for each in found], "next": more}


@router.get("/cycles/{id}", response_model=answers.CycleReport)
def get(
    door: TheDoor,
    number: Annotated[int, Path(alias="id", ge=1, le=2**63 - 1, description="The number of a cycle.")],
) -> dict[str, Any]:
    """What came of a cycle so far."""
    with door.reading() as connection:
        return _report(batches.report(connection, number))


def _report(found: Report) -> dict[str, Any]:
    def pair(spans: Any) -> tuple[float, float] | None:
        return None if spans is None else (spans[0].total_seconds(), spans[1].total_seconds())

    return documents.batch(found.batch) | {
        "progress": documents.record(found.progress),
        "report": documents.report(found),
        "waitSeconds": pair(found.wait),
        "totalSeconds": pair(found.total),
        "slaMinutesRange": found.sla_minutes,
        "outcomes": dict(found.outcomes),
        "textsDelivered": found.texts_delivered,
        "finishedAt": found.finished_at and documents.stamp(found.finished_at),
    }
