"""Jobs: start them, read them, and steer them one by one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from hms_floor import subpath
from hms_floor.api import accept
from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests import filters, requests
from hms_floor.api.requests.requests import Cursor, JobPath, JobType, Limit, QueueName, Reasoned, StatusWord
from hms_floor.api.requests.zones import Zone
from hms_floor.api.responses import Jobs, next_page
from hms_floor.api.transport.problems import Problem
from hms_floor.presentation import explanation
from hms_oms.access import audit
from hms_oms.api.codec import document, stamp
from hms_oms.database import health
from hms_oms.documents.jobs import Explained, JobWithTimeline, Started, SteeredJob, TimedEvent
from hms_oms.jobs import commands, read
from hms_oms.jobs.tickets import job_name
from hms_oms.recipes import recipes
from hms_oms.undo import changes

router = APIRouter(route_class=Guarded, tags=["jobs"])


@router.post(
    "/jobs",
    status_code=201,
    response_model=Started,
    responses={200: {"model": Started, "description": "A job has this key already."}},
)
async def start(app_state: TheAppState, who: Who, wanted: requests.Start) -> Response:
    """Start a job. Asking again with the same key gives the same job; with other content it is a conflict."""
    request = accept.request(
        recipes.find(app_state.recipes, wanted.job_type),
        wanted.payload,
        key=wanted.key,
        sla_minutes=wanted.sla_minutes,
        priority=wanted.priority,
        ready_at=wanted.not_before,
        caller=who,
        supersede=wanted.supersede,
    )
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
    queue: Annotated[QueueName | None, Query()] = None,
    status: Annotated[list[StatusWord], Query(description="`open` is every one that has not ended.")] = [],  # noqa: B006
    job_type: Annotated[JobType | None, Query(alias="type")] = None,
    batch: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    payload: Annotated[
        list[filters.FieldIsValue], Query(description="As `countyFips=19153` or `farm.county=Polk`.")
    ] = [],  # noqa: B006
    created_from: Annotated[requests.Moment | None, Query(alias="createdFrom")] = None,
    created_to: Annotated[requests.Moment | None, Query(alias="createdTo")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    count: Annotated[bool, Query(description="Tell how many there are in all, too.")] = False,
) -> Jobs:
    """List jobs, newest first."""
    wanted = filters.of(
        who,
        queue=queue,
        status=status,
        job_type=job_type,
        batch=batch,
        payload=[filters.pair(each) for each in payload],
        created_from=created_from,
        created_to=created_to,
    )
    with app_state.reading() as connection:
        if queue is not None:
            commands.require_queue(connection, queue)
        filters.require_narrow(connection, wanted)
        page = read.find(connection, wanted, limit=limit, after=cursor)
        total = read.count(connection, wanted) if count else None
    return Jobs(tuple(visible.job(job, who) for job in page), next_page(page, limit), total)


@router.get("/jobs/{id:job}")
def get(app_state: TheAppState, who: Who, job: JobPath) -> JobWithTimeline:
    """Everything about one job."""
    number = visible.number(job)
    with app_state.reading() as connection:
        found = read.get(connection, number)
        event_log, now = read.event_log(connection, number), health.clock(connection)
        holder = commands.key_holders(connection, [number]).get(number)
    stays = explanation.took(event_log, found.finished_at or now)
    timeline = tuple(
        TimedEvent.of(event, step=found.steps[event.step], seconds=stay.total_seconds())
        for event, stay in zip(event_log, stays, strict=True)
    )
    replaced_by = None if holder is None else job_name(holder)
    return JobWithTimeline.of(visible.job(found, who), replaced_by=replaced_by, timeline=timeline)


@router.get("/jobs/{id:job}/explain")
def explain(app_state: TheAppState, who: Who, zone: Zone, job: JobPath) -> Explained:
    """Why a job is where it is, and what would get it further."""
    with app_state.reading() as connection:
        found = explanation.read(connection, visible.number(job), zone)
    if not who.sees_payloads:
        error = visible.hidden(found.standing.job.error)
        alone = dataclasses.replace(found.standing.job, error=error)
        found = dataclasses.replace(found, standing=dataclasses.replace(found.standing, job=alone))
    return visible.explained(found)


@router.post("/jobs/{id:job}/cancel")
def cancel(
    app_state: TheAppState, who: Who, job: JobPath, wanted: requests.Cancel | None = None
) -> SteeredJob:
    """Cancel a job: one that runs ends with its step, or at once with `now`."""
    wanted = wanted or requests.Cancel()

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.cancel_jobs(
            connection, [number], who=who.actor, reason=wanted.reason, now=wanted.now, change=kept
        ).jobs

    return _change(app_state, who, job, wanted, "cancel", change, {"now": wanted.now})


@router.post("/jobs/{id:job}/retry")
def retry(app_state: TheAppState, who: Who, job: JobPath, wanted: Reasoned | None = None) -> SteeredJob:
    """Have a failed job tried again, from the step that failed."""
    reason = wanted.reason if wanted else None

    def change(connection: Connection, number: int, _: int) -> Sequence[int]:
        return commands.retry(connection, [number], who=who.actor, reason=reason)

    return _change(app_state, who, job, wanted, None, change)


@router.post("/jobs/{id:job}/reinstate")
def reinstate(app_state: TheAppState, who: Who, job: JobPath, wanted: Reasoned | None = None) -> SteeredJob:
    """Have a cancelled job done after all, from the step at which it stood. Its deadline stays."""
    reason = wanted.reason if wanted else None

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        done = commands.reinstate(connection, [number], who=who.actor, reason=reason, change=kept)
        holder = None if done else commands.key_holders(connection, [number]).get(number)
        if holder is not None:
            name = job_name(number)
            raise Problem(409, f"{name} stays cancelled: {job_name(holder)} has its key now")
        return done

    return _change(app_state, who, job, wanted, "reinstate", change)


@router.post("/jobs/{id:job}/promote")
def promote(app_state: TheAppState, who: Who, job: JobPath, wanted: Reasoned | None = None) -> SteeredJob:
    """Make a job the very next one of its queue."""
    reason = wanted.reason if wanted else None

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.promote(connection, number, who=who.actor, reason=reason, change=kept)

    return _change(app_state, who, job, wanted, "promote", change)


@router.post("/jobs/{id:job}/move")
def move(app_state: TheAppState, who: Who, job: JobPath, wanted: requests.Move) -> SteeredJob:
    """Move a job that has not begun its step to another queue."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.move(
            connection, [number], wanted.queue, who=who.actor, reason=wanted.reason, change=kept
        )

    return _change(app_state, who, job, wanted, "move", change, {"queue": wanted.queue})


@router.post("/jobs/{id:job}/priority")
def prioritize(app_state: TheAppState, who: Who, job: JobPath, wanted: requests.Prioritize) -> SteeredJob:
    """Set the priority of a job: the higher goes first, whatever the deadlines."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.prioritize(
            connection, [number], wanted.priority, who=who.actor, reason=wanted.reason, change=kept
        )

    return _change(app_state, who, job, wanted, "priority", change, {"priority": wanted.priority})


@router.post("/jobs/{id:job}/delay")
def delay(app_state: TheAppState, who: Who, job: JobPath, wanted: requests.Delay) -> SteeredJob:
    """Start a job no earlier than a time; null takes a delay away. Its deadline stays."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return commands.delay(
            connection, [number], wanted.not_before, who=who.actor, reason=wanted.reason, change=kept
        )

    at = stamp(wanted.not_before) if wanted.not_before else None
    return _change(app_state, who, job, wanted, "delay", change, {"notBefore": at})


def _change(
    app_state: AppState,
    who: Caller,
    job: str,
    wanted: Reasoned | None,
    action: str | None,
    change: Callable[[Connection, int, int], Sequence[int]],
    detail: dict[str, Any] | None = None,
) -> SteeredJob:
    """Change one job; with an `action`, so that it can be undone."""
    number = visible.number(job)
    reason = wanted.reason if wanted else None
    with app_state.writing() as connection:
        found = read.get(connection, number)
        kept = changes.begin(connection, action, who=who.actor) if action else None
        if not change(connection, number, kept or 0):
            raise Problem(409, f"{found.name} is {found.status}: this cannot be done to it now")
        audit.write(connection, [who.act(found.name, reason=reason, detail=detail)])
        undo = visible.undo(connection, kept)
        return SteeredJob.of(visible.job(read.get(connection, number), who), undo=undo)
