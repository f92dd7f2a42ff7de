"""Reserve steps for programs that are no Celery workers: under a lease, until they report."""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hms_oms.database import sessions, statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import HmsError

#: How long a reservation holds unless it is extended, in seconds.
LEASE_SECONDS = 300.0
#: How long a waiting agent sleeps at most before it looks again, in seconds.
LOOK_SECONDS = 2.0
#: ... and if nothing can be listened to.
POLL_SECONDS = 0.5


class LeaseLost(HmsError):
    """The reservation does not hold any more: its lease ran out, or the job was cancelled or moved."""

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
        super().__init__(
            f"the reservation of {job_name(ticket.job)} ({ticket.step}) does not hold any more: its lease ran"
            " out or the job was cancelled, and somebody else may have it now; nothing was recorded"
        )


@dataclass(frozen=True, slots=True)
class Reservation:
    """A job that an agent has to itself until `lease_until`."""

    ticket: Ticket
    agent: str
    queue: str
    type: str
    payload: Mapping[str, Any]
    results: Mapping[str, Any]
    sla: datetime
    lease_until: datetime
    recipe: Recipe


def reserve(
    connection: RawConnection, queue: str, *, agent: str, lease: float = LEASE_SECONDS, wait: float = 0.0
) -> Reservation | None:
    """Reserve the most urgent job of `queue` whose step is an agent's, for `lease` seconds.

    Waits up to `wait` seconds for one to come; None where none has.
    """
    deadline = time.monotonic() + wait
    listening = sessions.listen(connection, "oms_backlog")
    look_seconds = LOOK_SECONDS if listening else POLL_SECONDS
    try:
        while True:
            connection.notifies.clear()
            reservation = reserve_now(connection, queue, agent=agent, lease=lease)
            if reservation is not None:
                return reservation
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            select.select([connection], [], [], min(left, look_seconds))
            connection.poll()
    finally:
        if listening:
            with connection.cursor() as cursor:
                cursor.execute("unlisten oms_backlog")


def reserve_now(
    connection: RawConnection, queue: str, *, agent: str, lease: float = LEASE_SECONDS
) -> Reservation | None:
    """As `reserve`, without waiting; inside the caller's transaction, where there is one."""
    rows = statements.run_raw(connection, "reserve", {"queue": queue, "agent": agent, "lease": lease})
    return _reservation(connection, rows[0], agent) if rows else None


def held(connection: RawConnection, ticket: Ticket) -> Reservation:
    """The reservation that was made under a ticket. Raises LeaseLost where it does not hold any more."""
    key = {"job": ticket.job, "attempt": ticket.attempt, "step": ticket.step}
    rows = statements.run_raw(connection, "held_reservation", key)
    if not rows:
        raise LeaseLost(ticket)
    return _reservation(connection, rows[0], rows[0]["worker"])


def extend(connection: RawConnection, reservation: Reservation, lease: float = LEASE_SECONDS) -> datetime:
    """Keep a reservation for `lease` seconds from now; return until when. Raises LeaseLost."""
    ticket = reservation.ticket
    rows = statements.run_raw(
        connection,
        "extend",
        {"job": ticket.job, "attempt": ticket.attempt, "step": ticket.step, "lease": lease},
    )
    if not rows:
        raise LeaseLost(ticket)
    until: datetime = rows[0]["lease_until"]
    return until


def report_done(connection: RawConnection, reservation: Reservation, done: Done) -> str:
    """Report the step as done; return the job's status now. Raises LeaseLost."""
    report = completions.of(reservation.ticket, reservation.recipe, done, by_agent=True)
    status = ledger.complete(connection, [report], reservation.agent).get(reservation.ticket)
    if status is None:
        raise LeaseLost(reservation.ticket)
    return status


def report_failure(
    connection: RawConnection, reservation: Reservation, reason: str, *, retry_after: float | None = None
) -> str:
    """Report the step as failed, for good or to be reserved again later. Raises LeaseLost."""
    error = {"type": "AgentFailure", "message": reason, "traceback": ""}
    status = ledger.fail(
        connection, reservation.ticket, error, retry_after=retry_after, worker=reservation.agent
    )
    if status is None:
        raise LeaseLost(reservation.ticket)
    return status


def _reservation(connection: RawConnection, row: Mapping[str, Any], agent: str) -> Reservation:
    with connection.cursor() as cursor:
        cursor.execute("select definition from oms.recipes where id = %s", (row["recipe_id"],))
        definition = cursor.fetchone()
    assert definition is not None
    return Reservation(
        ticket=Ticket(row["id"], row["attempt"], row["steps"][row["step"]]),
        agent=agent,
        queue=row["queue"],
        type=row["type"],
        payload=row["payload"],
        results=row["results"],
        sla=row["sla"],
        lease_until=row["lease_until"],
        recipe=Recipe.from_document(definition[0]),
    )
