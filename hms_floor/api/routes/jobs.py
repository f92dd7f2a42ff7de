"""Jobs: start them, read them, and steer them one by one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from hms_floor.api import asked, filters, showing, starts
from hms_floor.api.access import Caller, Guarded, Who
from hms_floor.api.answers import jobs as answers
from hms_floor.api.asked import Cursor, JobPath, JobType, Limit, QueueName, Reasoned, StatusWord
from hms_floor.api.door import Door, TheDoor
from hms_floor.api.problems import Problem
from hms_floor.api.zones import Zone
from hms_floor.cli import case, documents, explaining
from hms_oms import audit, changes, control, health, jobs, recipes
from hms_oms.tickets import job_name

router = APIRouter(route_class=Guarded, tags=["jobs"])


@router.post(
    "/jobs",
    status_code=201,
    response_model=answers.Started,
    responses={200: {"model": answers.Started, "description": "A job has this key already."}},
)
async def start(door: TheDoor, who: Who, wanted: asked.Start) -> Response:
    """Start a job. Asking again with the same key gives the same job; with other content it is a conflict."""
    request = starts.request(
        recipes.find(door.recipes, wanted.job_type),
        wanted.payload,
        key=wanted.key,
        sla_minutes=wanted.sla_minutes,
        priority=wanted.priority,
        ready_at=wanted.not_before,
        caller=who,
        supersede=wanted.supersede,
    )
    started = await door.starts.start(request)
    row = started.row
    name = job_name(row["id"])
    document = {
        "jobId": name,
        "type": row["type"],
        "queue": row["queue"],
        "status": row["status"],
        "sla": documents.stamp(row["sla"]),
        "slaMinutes": row["sla_minutes"],
        "key": row["key"],
        "replaces": None if row["replaces"] is None else job_name(row["replaces"]),
        "created": started.created,
    }
    body = json.dumps(document, ensure_ascii=False)
    return Response(body, 201 if started.created else 200, {"Location": f"/jobs/{name}"}, "application/json")


@router.get("/jobs", response_model=answers.Jobs)
def find(
    door: TheDoor,
    who: Who,
    queue: Annotated[QueueName | None, Query()] = None,
    status: Annotated[list[StatusWord], Query(description="`open` is every one that has not ended.")] = [],  # noqa: B006
    job_type: Annotated[JobType | None, Query(alias="type")] = None,
    batch: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    payload: Annotated[
        list[filters.FieldIsValue], Query(description="As `countyFips=19153` or `farm.county=Polk`.")
    ] = [],  # noqa: B006
    created_from: Annotated[asked.Moment | None, Query(alias="createdFrom")] = None,
    created_to: Annotated[asked.Moment | None, Query(alias="createdTo")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    count: Annotated[bool, Query(description="Tell how many there are in all, too.")] = False,
) -> dict[str, Any]:
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
    with door.reading() as connection:
        if queue is not None:
            control.require_queue(connection, queue)
        filters.require_narrow(connection, wanted)
        found = jobs.find(connection, wanted, limit=limit, after=cursor)
        total = jobs.count(connection, wanted) if count else None
    more = str(found[-1].id) if len(found) == limit else None
    return {"jobs": [showing.job(each, who) for each in found], "next": more, "total": total}


@router.get("/jobs/{id:job}", response_model=answers.JobWithTimeline)
def get(door: TheDoor, who: Who, job: JobPath) -> dict[str, Any]:
    """Everything about one job."""
    number = showing.number(job)
    with door.reading() as connection:
        found = jobs.get(connection, number)
        diary, now = jobs.diary(connection, number), health.clock(connection)
        holder = control.key_holders(connection, [number]).get(number)
    stays = case.took(diary, found.finished_at or now)
    timeline = [
        documents.event(line, found.steps) | {"seconds": stay.total_seconds()}
        for line, stay in zip(diary, stays, strict=True)
    ]
    replaced_by = None if holder is None else job_name(holder)
    return showing.job(found, who) | {"replacedBy": replaced_by, "timeline": timeline}


@router.get("/jobs/{id:job}/explain", response_model=answers.Explained)
def explain(door: TheDoor, who: Who, zone: Zone, job: JobPath) -> dict[str, Any]:
    """Why a job is where it is, and what would get it further."""
    with door.reading() as connection:
        found = case.read(connection, showing.number(job), zone)
    if not who.sees_payloads:
        error = showing.hidden(found.standing.job.error)
        alone = dataclasses.replace(found.standing.job, error=error)
        found = dataclasses.replace(found, standing=dataclasses.replace(found.standing, job=alone))
    return case.document(found) | {
        "now": documents.stamp(found.standing.now),
        "dispatcher": found.dispatcher,
        "byAgent": found.by_agent,
        "because": list(explaining.sentences(found)),
    }


@router.post("/jobs/{id:job}/cancel", response_model=answers.SteeredJob)
def cancel(door: TheDoor, who: Who, job: JobPath, wanted: asked.Cancel | None = None) -> dict[str, Any]:
    """Cancel a job: one that runs ends with its step, or at once with `now`."""
    wanted = wanted or asked.Cancel()

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return control.cancel_jobs(
            connection, [number], who=who.actor, reason=wanted.reason, now=wanted.now, change=kept
        ).jobs

    return _change(door, who, job, wanted, "cancel", change, {"now": wanted.now})


@router.post("/jobs/{id:job}/retry", response_model=answers.SteeredJob)
def retry(door: TheDoor, who: Who, job: JobPath, wanted: Reasoned | None = None) -> dict[str, Any]:
    """Have a failed job tried again, from the step that failed."""
    reason = wanted.reason if wanted else None

    def change(connection: Connection, number: int, _: int) -> Sequence[int]:
        return control.retry(connection, [number], who=who.actor, reason=reason)

    return _change(door, who, job, wanted, None, change)


@router.post("/jobs/{id:job}/reinstate", response_model=answers.SteeredJob)
def reinstate(door: TheDoor, who: Who, job: JobPath, wanted: Reasoned | None = None) -> dict[str, Any]:
    """Have a cancelled job done after all, from the step at which it stood. Its deadline stays."""
    reason = wanted.reason if wanted else None

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        done = control.reinstate(connection, [number], who=who.actor, reason=reason, change=kept)
        holder = None if done else control.key_holders(connection, [number]).get(number)
        if holder is not None:
            name = job_name(number)
            raise Problem(409, f"{name} stays cancelled: {job_name(holder)} has its key now")
        return done

    return _change(door, who, job, wanted, "reinstate", change)


@router.post("/jobs/{id:job}/promote", response_model=answers.SteeredJob)
def promote(door: TheDoor, who: Who, job: JobPath, wanted: Reasoned | None = None) -> dict[str, Any]:
    """Make a job the very next one of its queue."""
    reason = wanted.reason if wanted else None

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return control.promote(connection, number, who=who.actor, reason=reason, change=kept)

    return _change(door, who, job, wanted, "promote", change)


@router.post("/jobs/{id:job}/move", response_model=answers.SteeredJob)
def move(door: TheDoor, who: Who, job: JobPath, wanted: asked.Move) -> dict[str, Any]:
    """Move a job that has not begun its step to another queue."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return control.move(
            connection, [number], wanted.queue, who=who.actor, reason=wanted.reason, change=kept
        )

    return _change(door, who, job, wanted, "move", change, {"queue": wanted.queue})


@router.post("/jobs/{id:job}/priority", response_model=answers.SteeredJob)
def prioritize(door: TheDoor, who: Who, job: JobPath, wanted: asked.Prioritize) -> dict[str, Any]:
    """Set the priority of a job: the higher goes first, whatever the deadlines."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return control.prioritize(
            connection, [number], wanted.priority, who=who.actor, reason=wanted.reason, change=kept
        )

    return _change(door, who, job, wanted, "priority", change, {"priority": wanted.priority})


@router.post("/jobs/{id:job}/delay", response_model=answers.SteeredJob)
def delay(door: TheDoor, who: Who, job: JobPath, wanted: asked.Delay) -> dict[str, Any]:
    """Start a job no earlier than a time; null takes a delay away. Its deadline stays."""

    def change(connection: Connection, number: int, kept: int) -> Sequence[int]:
        return control.delay(
            connection, [number], wanted.not_before, who=who.actor, reason=wanted.reason, change=kept
        )

    at = documents.stamp(wanted.not_before) if wanted.not_before else None
    return _change(door, who, job, wanted, "delay", change, {"notBefore": at})


def _change(
    door: Door,
    who: Caller,
    job: str,
    wanted: Reasoned | None,
    action: str | None,
    change: Callable[[Connection, int, int], Sequence[int]],
    detail: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Change one job; with an `action`, so that it can be undone."""
    number = showing.number(job)
    reason = wanted.reason if wanted else None
    with door.writing() as connection:
        found = jobs.get(connection, number)
        kept = changes.begin(connection, action, who=who.actor) if action else None
        if not change(connection, number, kept or 0):
            raise Problem(409, f"{found.name} is {found.status}: this cannot be done to it now")
        audit.write(connection, [who.act(found.name, reason=reason, detail=detail)])
        undo = showing.undo(connection, kept)
        return showing.job(jobs.get(connection, number), who) | {"undo": undo}
