"""Child jobs: what steps ask for is started by the dispatcher, and their job may wait for it.

A step asks in the transaction of its completion: once, and not at all if it fails. The writer of
oms.child_jobs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.parts import parts
from hms_oms.jobs.parts.parts import Parent
from hms_oms.jobs.states import OPEN, Fact, Status
from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.child_jobs import CONTINUE

#: So many jobs are started, or taken up, in one transaction.
MOST = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that a step has asked for."""

    parent: int
    step: int
    number: int
    type: str
    payload: Mapping[str, Any]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChildJob:
    """A job that was started for another one, and how it stands; `fault` says why it was not started."""

    type: str
    job: int | None
    fault: str | None
    status: str | None
    outcome: str | None
    results: Mapping[str, Any] | None
    error: str | None

    @property
    def is_open(self) -> bool:
        """Whether it is still to be started, or to be done."""
        return self.fault is None and (self.job is None or self.status in OPEN)

    @property
    def is_done(self) -> bool:
        """Whether it was done; what retention has removed since is known by how it had ended."""
        return self.fault is None and self.status == Status.DONE


def ask(
    connection: RawConnection,
    *,
    parent: int,
    step: int,
    number: int,
    job_type: str,
    payload: Mapping[str, Any],
    options: Mapping[str, Any],
) -> None:
    """Ask for a job in the caller's transaction; it is started after the commit."""
    given = {"parent": parent, "step": step, "number": number, "type": job_type}
    given |= {"payload": json.dumps(payload, allow_nan=False), "options": json.dumps(options)}
    with connection.cursor() as cursor:
        cursor.execute(statements.text("ask_job"), given)


def asked(connection: Connection, types: Sequence[str], patience: float) -> list[Asked]:
    """The jobs of these types that are to be started, held until the transaction ends.

    Of others those that were asked for more than `patience` seconds ago.
    """
    given = {"types": list(types), "patience": patience, "most": MOST}
    return [Asked(**row) for row in statements.run(connection, "asked_jobs", given)]


def answer(
    connection: Connection,
    request: Asked,
    *,
    job: int | None = None,
    created: bool | None = None,
    fault: str | None = None,
) -> None:
    """Keep which job was started, or why none was."""
    given = {"parent": request.parent, "step": request.step, "number": request.number}
    statements.run(connection, "answer_job", {**given, "job": job, "created": created, "fault": fault})


def of_job(connection: Connection, job: int) -> Sequence[ChildJob]:
    """The jobs that the steps of a job have started, in order, without their results."""
    rows = statements.run(connection, "child_jobs", {"job": job, "results": False})
    return [ChildJob(**row) for row in rows]


def take_up(connection: RawConnection) -> list[Parent]:
    """Hold the jobs whose child jobs have all ended; the caller settles them in this transaction."""
    return [
        Parent(Ticket(row["job"], row["attempt"], row["step_name"]), row["step"], row["recipe_id"])
        for row in statements.run_raw(connection, "take_up_jobs", {"most": MOST})
    ]


def rest(connection: RawConnection) -> None:
    """Have the jobs wait that have just come to wait for others, and could not be taken up."""
    statements.run_raw(connection, "await_jobs", {})


def settle(connection: RawConnection, parent: Parent, recipe: Recipe) -> str | None:
    """Complete the step of a job with what its child jobs have come to, or fail it; its status then.

    It waits on if one of them has been taken up again meanwhile, or is to be started after all. Raises
    ValueError if their results are larger than a job can keep.
    """
    rows = statements.run_raw(connection, "child_jobs", {"job": parent.ticket.job, "results": True})
    children = [ChildJob(**row) for row in rows]
    if any(child.is_open for child in children):
        return None
    undone = next((child for child in children if not child.is_done), None)
    if undone is not None and recipe.steps[parent.step].on_failed != CONTINUE:
        return parts.fail(connection, parent, "ChildJobFailed", _words(undone))
    report = completions.of(parent.ticket, recipe, Done([_told(child) for child in children]), by_agent=True)
    parts.take_over(connection, parent, Fact.JOINED)
    return ledger.complete(connection, [report], parts.WHO).get(parent.ticket)


def _told(child: ChildJob) -> dict[str, Any]:
    return {
        "job": None if child.job is None else job_name(child.job),
        "type": child.type,
        "status": child.status,
        "outcome": child.outcome,
        "results": child.results,
        "fault": child.fault,
    }


def _words(child: ChildJob) -> str:
    if child.job is None:
        return f"no job of type {child.type} could be started: {child.fault}"
    why = f": {child.error}" if child.error else ""
    return f"{job_name(child.job)} ({child.type}), for which it waited, is {child.status or 'removed'}{why}"
