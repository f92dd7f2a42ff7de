"""Health and readiness for probes: no badge needed, no names given."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.responses import Health, HealthPart, Ready
from hms_floor.api.transport.problems import busy
from hms_oms.database.schema import schema_revision
from hms_ops import health

router = APIRouter(route_class=Guarded, tags=["life"])


@router.get("/livez")
async def alive() -> Ready:
    """Whether this process answers; it asks nothing of any other."""
    return Ready("ok")


@router.get("/healthz")
async def healthy(app_state: TheAppState, response: Response) -> Health:
    """How the installation stands, part by part; 503 if a part has failed that people must be called for."""
    parts = await _parts(app_state)
    failing = [part for part in parts if part.vital]
    response.status_code = 503 if failing else 200
    postgresql = next(part for part in parts if part.name == "PostgreSQL")
    return Health(
        status="failing" if failing else "ok",
        database="ok" if postgresql.light == health.OK else "away",
        failing=tuple(part.name for part in failing),
        parts=tuple(HealthPart.of(part, words=_without_names(part)) for part in parts),
    )


@router.get("/readyz")
async def ready(app_state: TheAppState) -> Ready:
    """Whether requests may come: PostgreSQL answers, at a revision that this version can work on.

    A newer one than it needs is that of a release that is being rolled out: what runs goes on meanwhile.
    """
    postgresql = (await _parts(app_state))[0]
    if postgresql.light == health.BAD:
        raise busy(postgresql.words, 5)
    wrong = schema_revision.mismatch(await run_in_threadpool(_revision, app_state))
    if wrong is not None and not wrong.newer:
        raise busy(str(wrong), 30)
    return Ready("ok")


async def _parts(app_state: AppState) -> list[health.Part]:
    """State of each part; right after the start the first results are awaited without blocking a thread."""
    while not app_state.observer.looked:
        await asyncio.sleep(0.02)
    return app_state.observer.parts()


def _revision(app_state: AppState) -> str | None:
    with app_state.reading() as connection:
        return schema_revision.applied(connection)


def _without_names(part: health.Part) -> str:
    """The public part of the state: the names of people on call are left out."""
    if part.name != "on call" or part.light == health.OK:
        return part.words
    return part.words.partition(":")[0]
