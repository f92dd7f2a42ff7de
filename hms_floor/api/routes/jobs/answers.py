"""Waiting for the applicant: stop the clock of a job, and let it go on when the answer is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import APIRouter
from sqlalchemy import Connection

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState
from hms_floor.api.requests.requests import JobPath, Reasoned
from hms_floor.api.transport.problems import Problem
from hms_oms.access import audit
from hms_oms.api.codec import stamp
from hms_oms.documents.jobs import Job
from hms_oms.jobs import records
from hms_oms.jobs.queries import read
from hms_oms.queues import answers

router = APIRouter(route_class=Guarded, tags=["jobs"])

_Change = Callable[[Connection, Sequence[int]], list[int]]


@router.post("/jobs/{id:job}/hold")
def hold(app_state: TheAppState, who: Who, job: JobPath, body: Reasoned | None = None) -> Job:
    """Stop the clock of a job until the applicant answers: it is not handed out meanwhile, and not late."""
    reason = body.reason if body else None

    def change(connection: Connection, jobs: Sequence[int]) -> list[int]:
        return answers.hold(connection, jobs, who=who.actor, reason=reason)

    return _changed(app_state, who, job, reason, "hold", change)


@router.post("/jobs/{id:job}/answer")
def answer(app_state: TheAppState, who: Who, job: JobPath, body: Reasoned | None = None) -> Job:
    """Let a job go on that was held: its deadline is later by the time that its clock has stood."""
    reason = body.reason if body else None

    def change(connection: Connection, jobs: Sequence[int]) -> list[int]:
        return answers.go_on(connection, jobs, who=who.actor, reason=reason)

    return _changed(app_state, who, job, reason, "answer", change)


def _changed(
    app_state: AppState, who: Caller, job: str, reason: str | None, verb: str, change: _Change
) -> Job:
    number = visible.number(job)
    with app_state.writing() as connection:
        before = read.get(connection, number)
        if not change(connection, [number]):
            raise Problem(409, f"{before.name} {_why_not(before, verb)}: this cannot be done to it now")
        after = read.get(connection, number)
        detail = None if after.sla == before.sla else {"deadline": stamp(after.sla)}
        audit.write(connection, [who.act(after.name, reason=reason, detail=detail)])
        return visible.job(after, who)


def _why_not(job: records.Job, verb: str) -> str:
    if job.status not in ("waiting", "queued"):
        return f"is {job.status}"
    if verb == "answer":
        return "is not held"
    if job.held_at is not None:
        return "is held already"
    if job.event is not None:
        return f"waits for the event {job.event}, with a time limit of its own"
    return "waits for its parts or other jobs" if job.part is None else "is a part of another job"
