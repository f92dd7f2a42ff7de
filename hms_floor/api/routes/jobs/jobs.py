"""Jobs: start, find, explain and change them one by one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from hms_floor import subpath
from hms_floor.api import accept
from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests import filters, requests
from hms_floor.api.requests.requests import (
    Cursor,
    Forecast,
    JobOrder,
    JobPath,
    Limit,
    Reasoned,
)
from hms_floor.api.requests.zones import Zone
from hms_floor.api.responses import Jobs, next_page
from hms_floor.api.routes.jobs import predictions
from hms_floor.api.transport.problems import Problem
from hms_floor.presentation import explanation
from hms_floor.presentation.jobs import parts
from hms_oms.access import audit
from hms_oms.api.codec import document, stamp
from hms_oms.database import health
from hms_oms.documents.foresight import Quoted
from hms_oms.documents.jobs import Explained, JobWithTimeline, Started, SteeredJob
from hms_oms.jobs import commands
from hms_oms.jobs.queries import by_deadline, read, search
from hms_oms.jobs.tickets import job_name
from hms_oms.queues import answers, calendars
from hms_oms.recipes import recipes
from hms_oms.undo import changes

router = APIRouter(route_class=Guarded, tags=["jobs"])


@router.post(
    "/jobs",
    status_code=201,
    response_model=Started,
    responses={200: {"model": Started | Quoted, "description": "A job has this key already, or a quote."}},
)
async def start(
    app_state: TheAppState,
    who: Who,
    asked: requests.Start,
    quote: Annotated[bool, Query(description="Only tell whether its deadline would hold.")] = False,
) -> Response:
    """Start a job. Asking again with the same key gives the same job; with other content it is a conflict.

    With `quote` nothing is started.
    """
    request = accept.request(
        recipes.find(app_state.recipes, asked.job_type),
        asked.payload,
        key=asked.key,
        sla_minutes=asked.sla_minutes,
        priority=asked.priority,
        ready_at=asked.not_before,
        caller=who,
        supersede=asked.supersede,
        must=asked.must,
    )
    if quote:
        quoted = await run_in_threadpool(predictions.quote_now, app_state, request)
        return Response(json.dumps(document(quoted), ensure_ascii=False), media_type="application/json")
    started = await app_state.starts.start(request)
    row = started.row
    name = job_name(row.id)
    replaced = None if row.replaces is None else job_name(row.replaces)
    record = Started.of(row, id=name, replaces=replaced, created=started.created)
    body = json.dumps(document(record), ensure_ascii=False)
    location = f"{subpath.of(app_state.settings.public_url)}/jobs/{name}"
    return Response(body, 201 if started.created else 200, {"Location": location}, "application/json")


@router.get("/jobs")
def find(
    app_state: TheAppState,
    who: Who,
    job_filter: filters.Listed,
    at_risk: Annotated[bool, Query(alias="atRisk", description="Only those that will miss it.")] = False,
    order: Annotated[
        JobOrder | None, Query(description="Other than `newest` only with `late`, `atRisk` or `status=open`.")
    ] = None,
    forecast: Forecast = False,
    cursor: Cursor = None,
    limit: Limit = 50,
    count: Annotated[bool, Query(description="Tell how many there are in all, too.")] = False,
    count_to: Annotated[
        int | None, Query(alias="countTo", ge=1, le=1_000_000, description="Count no further than this.")
    ] = None,
) -> Jobs:
    """List jobs, newest first; those at risk by deadline, unless another order is asked for.

    By `deadline` or `lateness` late, risky and open jobs can be listed.
    """
    with app_state.reading() as connection:
        if job_filter.queue is not None:
            commands.require_queue(connection, job_filter.queue)
        filters.require_narrow(connection, job_filter)
        more = search.has_more(connection, job_filter.words)
        if at_risk:
            risks = predictions.page(
                connection, app_state.forecasts, who, job_filter, order or "deadline", limit, cursor or 0
            )
            return dataclasses.replace(risks, more=more)
        order = order or "newest"
        filters.require_orderable(job_filter, order)
        if order == "newest":
            records = read.find(connection, job_filter, limit=limit, after=cursor)
            following = next_page(records, limit)
        else:
            # Deadlines move, and so does lateness: the cursor counts.
            skip, latest = cursor or 0, order == "lateness"
            records = by_deadline.find(connection, job_filter, latest_first=latest, limit=limit, skip=skip)
            following = str(skip + limit) if len(records) == limit else None
        total, uncounted = None, False
        if count and count_to is not None:
            number = by_deadline.count(connection, job_filter, count_to)
            total, uncounted = min(number, count_to), number > count_to
        elif count:
            total = read.count(connection, job_filter)
        known = predictions.ends_of(connection, app_state.forecasts, records) if forecast else {}
    jobs = tuple(visible.job(job, who, known.get(job.id)) for job in records)
    return Jobs(jobs, following, total, more, uncounted)


@router.get("/jobs/{id:job}")
def get(app_state: TheAppState, who: Who, job: JobPath, forecast: Forecast = False) -> JobWithTimeline:
    """Everything about one job."""
    number = visible.number(job)
    with app_state.reading() as connection:
        record = read.get(connection, number)
        event_log, now = read.event_log(connection, number), health.clock(connection)
        holder = commands.key_holders(connection, [number]).get(number)
        known = predictions.ends_of(connection, app_state.forecasts, [record]) if forecast else {}
        office = calendars.of_job(connection, record.calendar_id)
        in_parts = parts.read(connection, record, now)
        started = parts.started(connection, number)
        item = None if record.part is None else parts.item(connection, record)
    until = record.finished_at or now
    return JobWithTimeline.of(
        visible.job(record, who, known.get(number)),
        replaced_by=None if holder is None else job_name(holder),
        elapsed_seconds=max(0.0, (until - record.counts_from).total_seconds()),
        business_seconds=answers.counted_seconds(record, office, until),
        timeline=tuple(parts.timeline(tuple(event_log), record.steps, until)),
        parts=in_parts,
        child_jobs=started,
        item=item if who.sees_payloads else visible.hidden(item),
    )


@router.get("/jobs/{id:job}/explain")
def explain(app_state: TheAppState, who: Who, zone: Zone, job: JobPath) -> Explained:
    """Why a job is where it is, and what would get it further."""
    with app_state.reading() as connection:
        explained = explanation.read(connection, visible.number(job), zone)
    if not who.sees_payloads:
        error = visible.hidden(explained.standing.job.error)
        alone = dataclasses.replace(explained.standing.job, error=error)
        explained = dataclasses.replace(
            explained, standing=dataclasses.replace(explained.standing, job=alone)
        )
    return visible.explained(explained)


@router.post("/jobs/{id:job}/cancel")
def cancel(app_state: TheAppState, who: Who, job: JobPath, body: requests.Cancel | None = None) -> SteeredJob:
    """Cancel a job: one that runs ends with its step, or at once with `now`."""
    body = body or requests.Cancel()

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.cancel_jobs(
            connection, [number], who=who.actor, reason=body.reason, now=body.now, change=kept
        ).jobs

    return _change(app_state, who, job, body, "cancel", change, {"now": body.now})


@router.post("/jobs/{id:job}/retry")
def retry(app_state: TheAppState, who: Who, job: JobPath, body: Reasoned | None = None) -> SteeredJob:
    """Have a failed job tried again, from the step that failed."""
    reason = body.reason if body else None

    def change(connection: Connection, number: int, _: int) -> Sequence[int]:
        return commands.retry(connection, [number], who=who.actor, reason=reason)

    return _change(app_state, who, job, body, None, change)


@router.post("/jobs/{id:job}/reinstate")
def reinstate(app_state: TheAppState, who: Who, job: JobPath, body: Reasoned | None = None) -> SteeredJob:
    """Have a cancelled job done after all, from the step at which it stood. Its deadline stays."""
    reason = body.reason if body else None

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        done = commands.reinstate(connection, [number], who=who.actor, reason=reason, change=kept)
        holder = None if done else commands.key_holders(connection, [number]).get(number)
        if holder is not None:
            name = job_name(number)
            raise Problem(409, f"{name} stays cancelled: {job_name(holder)} has its key now")
        return done

    return _change(app_state, who, job, body, "reinstate", change)


@router.post("/jobs/{id:job}/promote")
def promote(app_state: TheAppState, who: Who, job: JobPath, body: Reasoned | None = None) -> SteeredJob:
    """Make a job the very next one of its queue."""
    reason = body.reason if body else None

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.promote(connection, number, who=who.actor, reason=reason, change=kept)

    return _change(app_state, who, job, body, "promote", change)


@router.post("/jobs/{id:job}/move")
def move(app_state: TheAppState, who: Who, job: JobPath, body: requests.Move) -> SteeredJob:
    """Move a job that has not begun its step to another queue."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.move(connection, [number], body.queue, who=who.actor, reason=body.reason, change=kept)

    return _change(app_state, who, job, body, "move", change, {"queue": body.queue})


@router.post("/jobs/{id:job}/priority")
def prioritize(app_state: TheAppState, who: Who, job: JobPath, body: requests.Prioritize) -> SteeredJob:
    """Set the priority of a job: the higher goes first, whatever the deadlines."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.prioritize(
            connection, [number], body.priority, who=who.actor, reason=body.reason, change=kept
        )

    return _change(app_state, who, job, body, "priority", change, {"priority": body.priority})


@router.post("/jobs/{id:job}/delay")
def delay(app_state: TheAppState, who: Who, job: JobPath, body: requests.Delay) -> SteeredJob:
    """Start a job no earlier than a time; null takes a delay away. Its deadline stays."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.delay(
            connection, [number], body.not_before, who=who.actor, reason=body.reason, change=kept
        )

    at = stamp(body.not_before) if body.not_before else None
    return _change(app_state, who, job, body, "delay", change, {"notBefore": at})


def _change(
    app_state: AppState,
    who: Caller,
    job: str,
    body: Reasoned | None,
    action: str | None,
    change: Callable[[Connection, int, int], Sequence[int]],
    detail: dict[str, Any] | None = None,
) -> SteeredJob:
    """Change one job; with an `action`, so that it can be undone."""
    number = visible.number(job)
    reason = body.reason if body else None
    with app_state.writing() as connection:
        record = read.get(connection, number)
        kept = changes.begin(connection, action, who=who.actor) if action else None
        if not change(connection, number, kept or 0):
            raise Problem(409, f"{record.name} is {record.status}: this cannot be done to it now")
        audit.write(connection, [who.act(record.name, reason=reason, detail=detail)])
        undo = visible.undo(connection, kept)
        return SteeredJob.of(visible.job(read.get(connection, number), who), undo=undo)
