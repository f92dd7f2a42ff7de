"""Signals: tell a job that the event has come for which one of its steps waits."""

from __future__ import annotations

from fastapi import APIRouter
from sqlalchemy import Connection

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import JobPath
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_oms.access import audit
from hms_oms.documents.jobs import SignalledJob
from hms_oms.jobs import commands
from hms_oms.jobs.live import waits
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Job
from hms_oms.recipes import registry

router = APIRouter(route_class=Guarded, tags=["jobs"])


@router.post("/jobs/{id:job}/signal")
def signal(app_state: TheAppState, who: Who, job: JobPath, body: requests.Signal) -> SignalledJob:
    """Signal an event to a job: it goes on if it waits for it, and else once it does.

    The same event again changes nothing. `data` becomes the result of the step that waits.
    """
    number = visible.number(job)
    with app_state.writing() as connection:
        commands.hold(connection, [number])
        record = read.get(connection, number)
        signalled = not waits.is_signalled(connection, number, body.event)
        if signalled:
            _require_wait(connection, record, body.event)
            waits.signal(connection, number, body.event, body.data, who=who.actor)
            detail = {"event": body.event}
            audit.write(connection, [who.act(record.name, reason=body.reason, detail=detail)])
        return SignalledJob.of(visible.job(record, who), signalled=signalled)


def _require_wait(connection: Connection, job: Job, event: str) -> None:
    """Raise Problem unless the job waits for the event, or still may."""
    recipe = registry.fitting(connection, job.type, job.steps)
    steps = recipe.steps if recipe is not None else ()
    places = {step.event: place for place, step in enumerate(steps) if step.event is not None}
    if event not in places:
        known = (
            f"its events are {', '.join(map(str, places))}"
            if places
            else f"no step of {job.type} waits for one"
        )
        raise unprocessable(("event", f"{job.name} knows no event {event!r}: {known}"))
    if job.finished_at is not None:
        raise Problem(409, f"{job.name} is {job.status}: it waits for nothing any more")
    if places[event] < job.step:
        raise Problem(409, f"{job.name} waits for {event} no more: it is at step {job.step_name}")
