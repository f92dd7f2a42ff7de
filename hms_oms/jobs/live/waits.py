"""Waits for events: signals are kept until the job waits for them; the writer of oms.signals.

A job waits for an event in the status `waiting`, with the event's name and with `ready_at` as the time limit.
A signal is a row, and moves no job by itself. The dispatcher alone takes jobs up, so that signal, time limit
and arrival never race: each of them is seen at its next look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.waits import CONTINUE, FAIL
from hms_oms.runtime import format

#: So many jobs are taken up at a time.
MOST = 500


@dataclass(frozen=True, slots=True)
class Due:
    """A job that was taken up: its event was signalled by `who` with `data`, or has not come in time."""

    ticket: Ticket
    recipe_id: int
    event: str
    signalled: bool
    data: Mapping[str, Any] | None
    who: str


def signal(connection: Connection, job: int, event: str, data: Mapping[str, Any] | None, *, who: str) -> bool:
    """Keep a signal; False if the same event was signalled before.

    The job goes on once the caller has committed and the dispatcher looks, or once it waits for the event.
    """
    row = {"job": job, "event": event, "data": None if data is None else json.dumps(data), "who": who}
    kept = connection.execute(
        text(
            "insert into oms.signals (job_id, event, data, who)"
            " values (:job, :event, cast(:data as jsonb), :who) on conflict do nothing"
        ),
        row,
    ).rowcount
    connection.execute(
        text("select pg_notify('oms_backlog', queue) from oms.jobs where id = :job"), {"job": job}
    )
    return kept > 0


def is_signalled(connection: Connection, job: int, event: str) -> bool:
    """Whether an event was signalled to a job, now or before."""
    query = text("select true from oms.signals where job_id = :job and event = :event")
    return connection.scalar(query, {"job": job, "event": event}) is not None


def take_up(connection: RawConnection) -> list[Due]:
    """Take up the jobs whose wait is over; the caller settles them in the same transaction."""
    rows = statements.run_raw(connection, "take_up_waits", {"most": MOST})
    return [
        Due(
            Ticket(row["job"], row["attempt"], row["step"]),
            row["recipe_id"],
            row["event"],
            row["signalled"],
            row["data"],
            row["who"],
        )
        for row in rows
    ]


def settle(connection: RawConnection, due: Due, recipe: Recipe) -> str | None:
    """Complete the step of a job that was taken up, or fail it; the job's status then."""
    outcome = _outcome(due, recipe)
    if isinstance(outcome, Done):
        report = completions.of(due.ticket, recipe, outcome, by_agent=True)
        return ledger.complete(connection, [report], due.who).get(due.ticket)
    return fail(connection, due, "EventTimeout", outcome)


def fail(connection: RawConnection, due: Due, kind: str, message: str) -> str | None:
    """Fail a job that was taken up, for good."""
    error = {"type": kind, "message": message, "traceback": ""}
    return ledger.fail(connection, due.ticket, error, retry_after=None, worker=due.who)


def _outcome(due: Due, recipe: Recipe) -> Done | str:
    """What the step's end is: its result, or why it has failed."""
    if due.signalled:
        return Done(due.data or {})
    step = recipe.step(due.ticket.step)
    if step.on_timeout == FAIL:
        return f"the event {due.event} has not come within {format.about(step.wait or 0)}"
    return Done(step.timeout_result, skip_to=None if step.on_timeout == CONTINUE else step.on_timeout)
