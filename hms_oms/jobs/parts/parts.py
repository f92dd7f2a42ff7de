"""Steps in parts: a job that comes to one is split, waits for its parts, and goes on with their results.

A part is a row of oms.jobs like others, with `parent_id` and `part`: it is dispatched, leased, recovered,
tried again and cancelled as any job, and does the one step. The dispatcher alone splits and joins. It decides
while it holds the job, on what it reads of the parts after that; a part that ends leaves a row (the trigger
jobs_part_ended), so that it looks again. So no count can drift, and parts that end at once do not meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.states import Fact
from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.steps.parts import items
from hms_oms.recipes.steps.step import Step

#: So many jobs are looked at in one transaction.
MOST = 100
WHO = "dispatcher"


@dataclass(frozen=True, slots=True)
class Bad:
    """A part that has failed, or that somebody has cancelled."""

    job: int
    part: int
    status: str
    error: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Parent:
    """A job that waits at a step in parts, and how they stand; or at a step by jobs."""

    ticket: Ticket
    step: int
    recipe_id: int
    parts: int = 0
    open: int = 0
    bad: Bad | None = None


class Decision(Enum):
    """What follows for a job that waits at a step in parts."""

    SPLIT = 1
    WAIT = 2
    JOIN = 3
    FAIL = 4


def decide(parent: Parent) -> Decision:
    """What follows: a job fails with its first part that does, and goes on when all are done."""
    if not parent.parts:
        return Decision.SPLIT
    if parent.bad is not None:
        return Decision.FAIL
    return Decision.WAIT if parent.open else Decision.JOIN


def take_up(connection: RawConnection) -> list[Parent]:
    """Hold the jobs of whose parts something may be decided; the caller settles them in this transaction."""
    held = statements.run_raw(connection, "take_up_parts", {"most": MOST})
    if not held:
        return []
    statements.run_raw(connection, "see_ended_parts", {"jobs": [row["job"] for row in held]})
    waiting = {row["job"]: row for row in held if row["waits"]}
    asked = {"jobs": list(waiting), "steps": [row["step"] for row in waiting.values()]}
    states = statements.run_raw(connection, "part_states", asked) if waiting else []
    return [_parent(waiting[state["job"]], state) for state in states]


def is_awaited(connection: RawConnection, event: str) -> bool:
    """Whether any job waits for its parts, or for jobs that it has started, as `event` says."""
    return bool(statements.run_raw(connection, "parts_awaited", {"event": event})[0]["awaited"])


def split(connection: RawConnection, parent: Parent, recipe: Recipe) -> str | None:
    """Split a job's step into its parts; the job's status then. Raises PartsFault if there is no list."""
    step = recipe.steps[parent.step]
    queues = [work.queue for work in step.branches] if step.branches else _queues(connection, parent, step)
    if not queues:
        return join(connection, parent, recipe)
    asked = {"job": parent.ticket.job, "queues": queues, "at_once": step.at_once}
    statements.run_raw(connection, "split", asked)
    return "waiting"


def rest(connection: RawConnection, parents: Sequence[Parent]) -> None:
    """Have jobs wait until something happens to their parts."""
    with connection.cursor() as cursor:
        cursor.execute(statements.text("await_parts"), {"jobs": [parent.ticket.job for parent in parents]})


def join(connection: RawConnection, parent: Parent, recipe: Recipe) -> str | None:
    """Complete the step of a job whose parts are done, with their results; the job's status then.

    Raises ValueError if the results are larger than a job can keep.
    """
    asked = {"job": parent.ticket.job, "step": parent.step}
    results = [row["result"] for row in statements.run_raw(connection, "part_results", asked)]
    branches = recipe.steps[parent.step].branches
    names = [branch.name for branch in branches or ()]
    done = Done(dict(zip(names, results, strict=True)) if branches else results)
    report = completions.of(parent.ticket, recipe, done, by_agent=True)
    take_over(connection, parent, Fact.JOINED)
    return ledger.complete(connection, [report], WHO).get(parent.ticket)


def fail_with(connection: RawConnection, parent: Parent, bad: Bad, recipe: Recipe) -> str | None:
    """Fail a job one of whose parts has come to a bad end; the job's status then."""
    step = recipe.steps[parent.step]
    called = f"{'branch' if step.branches else 'part'} {name(step, bad.part, parent.parts)} of {step.name}"
    if bad.status == "cancelled":
        message = f"{called} ({job_name(bad.job)}) was cancelled"
        return fail(connection, parent, "PartCancelled", message, reason=f"{called} was cancelled")
    error = bad.error or {}
    said = f"{error.get('type', 'error')}: {error.get('message', '')}".removesuffix(": ")
    message = f"{called} ({job_name(bad.job)}) has failed: {said}"
    return fail(connection, parent, "PartFailed", message, reason=f"{called} has failed")


def fail(
    connection: RawConnection, parent: Parent, kind: str, message: str, *, reason: str | None = None
) -> str | None:
    """Fail a job that waits at a step in parts, or for jobs, for good; the job's status then.

    Its parts that have not begun are cancelled for the `reason`, and those that run are asked to end.
    """
    asked = {"job": parent.ticket.job, "step": parent.step}
    others = [row["id"] for row in statements.run_raw(connection, "open_parts", asked)]
    if others:
        given = {"jobs": others, "who": WHO, "now": False, "change": None, "undo": None}
        statements.run_raw(connection, "cancel", {**given, "reason": reason or message})
    take_over(connection, parent, Fact.PART_FAILED)
    error = {"type": kind, "message": message, "traceback": ""}
    return ledger.fail(connection, parent.ticket, error, retry_after=None, worker=WHO)


def take_over(connection: RawConnection, parent: Parent, fact: Fact) -> None:
    """Take up a job, whose step is then completed or failed in the same transaction."""
    statements.run_raw(connection, "end_split", {"job": parent.ticket.job, "fact": fact.value})


def name(step: Step | None, part: int, of: int) -> str:
    """What a part is called: `4 of 12`, or as its branch."""
    return step.branches[part].name if step and step.branches else f"{part + 1:,} of {of:,}"


def _queues(connection: RawConnection, parent: Parent, step: Step) -> list[str]:
    assert step.parts is not None
    with connection.cursor() as cursor:
        cursor.execute("select payload, results from oms.jobs where id = %s", (parent.ticket.job,))
        row = cursor.fetchone()
    assert row is not None
    return [step.queue] * len(items(step.parts, *row))


def _parent(row: Mapping[str, Any], state: Mapping[str, Any]) -> Parent:
    bad = state["bad"]
    return Parent(
        Ticket(row["job"], row["attempt"], row["step_name"]),
        row["step"],
        row["recipe_id"],
        state["parts"],
        state["open"],
        Bad(**bad[0]) if bad else None,
    )
