"""Reservations of agents: reserve the most urgent job, extend the lease, report."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import StringConstraints
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import AppState, TheAppState, raw
from hms_floor.api.requests import agents
from hms_floor.api.requests.requests import QueuePath
from hms_floor.api.responses import Extended, Reported
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_oms.access import audit
from hms_oms.documents.jobs import ReservedJob
from hms_oms.jobs import commands, reservations
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.reservations import Reservation
from hms_oms.jobs.tickets import job_name

router = APIRouter(route_class=Guarded, tags=["agents"])

ReservationPath = Annotated[
    Annotated[
        str,
        StringConstraints(pattern=r"^job-[1-9][0-9]{0,17}\.[1-9][0-9]{0,8}\.[a-z][a-z0-9_-]{0,62}$"),
    ],
    Path(alias="id", examples=["job-219.2.review"]),
]


@router.post(
    "/queues/{queue}/reserve",
    response_model=ReservedJob,
    responses={204: {"description": "No job has come."}},
)
async def reserve(
    request: Request, app_state: TheAppState, who: Who, queue: QueuePath, body: agents.Reserve | None = None
) -> Any:
    """Reserve the most urgent job of a queue whose step is an agent's; wait for one where there is none."""
    body = body or agents.Reserve()
    who.require_queue(queue)
    lease = body.lease

    def take(connection: Connection) -> Reservation | None:
        reservation = reservations.reserve_now(raw(connection), queue, agent=who.actor, lease=lease)
        if reservation is not None:
            audit.write(connection, [who.act(job_name(reservation.ticket.job), detail={"queue": queue})])
        return reservation

    reservation = await run_in_threadpool(_first, app_state, queue, take)
    if reservation is None and body.wait:
        with app_state.shares.hold("wait", who.badge.jti, who.source):
            gone = asyncio.ensure_future(_gone(request))
            try:
                reservation = await app_state.line.wait(queue, body.wait, take, gone)
            finally:
                left = gone.done()
                gone.cancel()
        if reservation is not None and left:
            await run_in_threadpool(_give_back, app_state, who, reservation)
    return Response(status_code=204) if reservation is None else _shown(reservation)


@router.post("/reservations/{id}/extend")
def extend(
    app_state: TheAppState, who: Who, reservation: ReservationPath, body: agents.Extend | None = None
) -> Extended:
    """Keep a reservation for a while from now."""
    with app_state.writing() as connection:
        held = _held(connection, who, reservation)
        until = reservations.extend(raw(connection), held, (body or agents.Extend()).lease)
        audit.write(connection, [who.act(reservation)])
    return Extended(reservation, until)


@router.post("/reservations/{id}/report")
def report(
    app_state: TheAppState, who: Who, reservation: ReservationPath, body: agents.AnyReport
) -> Reported:
    """Report how the step ended."""
    with app_state.writing() as connection:
        held = _held(connection, who, reservation)
        if isinstance(body, agents.StepDone):
            status = _report_done(connection, held, body)
        else:
            after = body.retry_after if isinstance(body, agents.StepAgain) else None
            status = reservations.report_failure(raw(connection), held, body.reason, retry_after=after)
        audit.write(connection, [who.act(reservation, detail={"reported": body.status})])
    return Reported(reservation, job_name(held.ticket.job), status)


def _report_done(connection: Connection, reservation: Reservation, body: agents.StepDone) -> str:
    done = Done(body.result, body.outcome, body.skip_to)
    try:
        return reservations.report_done(raw(connection), reservation, done)
    except ValueError as error:
        field = "skipTo" if "skip" in str(error) else "result"
        raise unprocessable((field, str(error))) from None


def _first(app_state: AppState, queue: str, take: Any) -> Reservation | None:
    with app_state.writing() as connection:
        commands.require_queue(connection, queue)
        reservation: Reservation | None = take(connection)
        return reservation


def _held(connection: Connection, who: Caller, reservation: str) -> Reservation:
    held = reservations.held(raw(connection), visible.ticket(reservation))
    who.require_queue(held.queue)
    if held.agent != who.actor:
        raise Problem(403, "somebody else has made this reservation")
    return held


def _give_back(app_state: AppState, who: Caller, reservation: Reservation) -> None:
    """The agent has gone while its job came: the next one should not have to wait for the lease to end."""
    with app_state.writing() as connection:
        reservations.report_failure(
            raw(connection), reservation, "the agent has gone before it had the job", retry_after=0
        )
        audit.write(connection, [who.act(str(reservation.ticket), status=499, detail={"reported": "gone"})])


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _shown(reservation: Reservation) -> ReservedJob:
    ticket = reservation.ticket
    return ReservedJob.of(
        reservation,
        id=str(ticket),
        job_id=job_name(ticket.job),
        step=ticket.step,
        attempt=ticket.attempt,
        status="running",
        sla_expires=reservation.sla,
    )
