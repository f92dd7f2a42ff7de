"""The life of jobs: each verb here is one guarded statement, so a race is lost by moving no row.

The verbs of workers and loops take raw connections and many jobs at a time; an answer that is missing
means that somebody else was first.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_oms.database import array_literals, statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.acceptance.requests import Requests
from hms_oms.jobs.queries import search
from hms_oms.jobs.records import Accepted, Band, Claimed, Completion, Deadline, Place, Progress, Taken
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import limits
from hms_oms.recipes.recipes import Recipe

#: The most delayed jobs that one statement wakes (see wake.sql).
WAKE_PAGE = 5000


def accept(
    connection: Connection,
    recipe: Recipe,
    recipe_id: int,
    requests: Requests,
    *,
    sla_minutes: float,
    deadline: Deadline | None = None,
    musts: Sequence[bool],
    requested_by: str,
    priority: int = 0,
    ready_at: datetime | None = None,
    batch_id: int | None = None,
    unique_key: str | None = None,
    limit_key: str | None = None,
    at_once: int | None = None,
    starts_per_minute: int | None = None,
) -> Accepted:
    """Record requests of one type as waiting jobs, in order; those whose key is known make no job.

    A new job with the key of cancelled ones refers to the newest of them. The payloads must meet the recipe
    already. They are due `sla_minutes` from now or from `ready_at` on, or at a `deadline` that a calendar
    says. No more than `at_once` jobs with a `limit_key` are in flight at a time, and no more than
    `starts_per_minute` start, by default as the recipe says. Nothing is visible before the caller commits.
    """
    first = recipe.steps[0]
    limit = limits.of_job(recipe.limit, at_once, starts_per_minute)
    [accepted] = statements.run(
        connection,
        "accept",
        {
            "type": recipe.type,
            "recipe_id": recipe_id,
            "steps": [step.name for step in recipe.steps],
            "queue": first.queue,
            "agent": first.by == "agent",
            "event": first.awaits,
            "priority": priority,
            "ready_at": ready_at,
            "sla_minutes": sla_minutes,
            "deadline": deadline and deadline.at,
            "calendar": deadline and deadline.calendar,
            "clock_from": deadline and deadline.clock_from,
            "batch_id": batch_id,
            "requested_by": requested_by,
            "unique_key": unique_key,
            "limit_scope": recipe.name + "/",
            "limit_key": limit_key,
            "limit_field": limit.field,
            "limit_at_once": limit.at_once,
            "limit_starts": limit.starts_per_minute,
            "payloads": requests.payloads,
            "keys": array_literals.literal(requests.keys),
            "cells": requests.cells,
            "musts": array_literals.literal(musts),
        },
    )
    jobs: list[int] = accepted["jobs"]
    if jobs and any(key is not None for key in requests.keys):
        statements.run(connection, "replace", {"jobs": array_literals.literal(jobs)})
    search.keep(connection, requests.words, requests.keys, jobs, accepted["keys"])
    return Accepted(jobs, accepted["keys"], len(requests.keys) - len(jobs))


def take(
    connection: RawConnection,
    queue: str,
    count: int,
    front: Place | None = None,
    last: Band = Band.GIVEN_UP,
) -> list[Taken]:
    """Move up to `count` jobs of the bands up to `last` into the window, looked for from a place on."""
    band, rank, due, job = front or (None, None, None, None)
    place = {"band": band, "rank": rank, "due": due, "job": job}
    given = {"queue": queue, "count": count, "last_band": last, **place}
    rows = statements.run_raw(connection, "take", given)
    return [
        Taken(
            row["id"],
            row["attempt"],
            row["step"],
            tuple(row["steps"]),
            row["recipe_id"],
            row["cell"],
            Place(Band(row["band"]), -row["priority"], row["due"], row["id"]),
            row["part"],
        )
        for row in rows
    ]


def is_open(connection: RawConnection) -> bool:
    """Whether any job is open."""
    return bool(statements.run_raw(connection, "open_job", {})[0]["is_open"])


def wake(connection: RawConnection) -> float:
    """Let delayed jobs that are due into the backlog; return in how many seconds the next one is."""
    row = statements.run_raw(connection, "wake", {})[0]
    return 0.0 if row["woken"] == WAKE_PAGE else max(0.0, row["next_in"] or math.inf)


def let_in(connection: RawConnection) -> tuple[int, int]:
    """Let jobs into the backlog that wait for others with their key; how many, and how many keys wait."""
    row = statements.run_raw(connection, "let_in", {})[0]
    return row["let_in"], row["keys"]


def claim(
    connection: RawConnection,
    tickets: Sequence[tuple[Ticket, float]],
    worker: str,
    *,
    alone: Collection[Ticket] | None = None,
    heartbeat_within: float | None = None,
) -> dict[Ticket, Claimed]:
    """Claim steps for `worker`, each with a lease in seconds; a ticket without an answer is void.

    Steps that are suspected of having ended a worker are claimed only if they are among `alone` (None: no
    step shares its process with another). With `heartbeat_within` nothing is claimed for a worker whose
    heartbeat is older than so many seconds. What is left out for these two reasons, `claimable` names.
    """
    rows = statements.run_raw(
        connection,
        "claim",
        {
            "jobs": [ticket.job for ticket, _ in tickets],
            "attempts": [ticket.attempt for ticket, _ in tickets],
            "steps": [ticket.step for ticket, _ in tickets],
            "leases": [lease for _, lease in tickets],
            "alone": [alone is None or ticket in alone for ticket, _ in tickets],
            "worker": worker,
            "heartbeat_within": heartbeat_within,
        },
    )
    claims = [
        Claimed(
            job=row["id"],
            attempt=row["attempt"],
            step=row["step"],
            steps=tuple(row["steps"]),
            type=row["type"],
            recipe_id=row["recipe_id"],
            failures=row["failures"],
            payload=row["payload"],
            results=row["results"],
            now=row["now"],
            part=row["part"],
        )
        for row in rows
    ]
    return {claimed.ticket: claimed for claimed in claims}


def claimable(
    connection: RawConnection, tickets: Sequence[Ticket], worker: str, heartbeat_within: float
) -> dict[Ticket, tuple[bool, bool]]:
    """Those of `tickets` that are good although they were not claimed.

    With each: whether the worker is heard, and whether the step is suspected of having ended another.
    """
    rows = statements.run_raw(
        connection,
        "claimable",
        {
            "jobs": [ticket.job for ticket in tickets],
            "attempts": [ticket.attempt for ticket in tickets],
            "steps": [ticket.step for ticket in tickets],
            "worker": worker,
            "heartbeat_within": heartbeat_within,
        },
    )
    return {Ticket(row["job"], row["attempt"], row["step"]): (row["lives"], row["suspected"]) for row in rows}


def complete(connection: RawConnection, completions: Sequence[Completion], worker: str) -> dict[Ticket, str]:
    """Record steps as done; the answer is the status that each job has now, and none where too late."""
    return {ticket: made.status for ticket, made in advance(connection, completions, worker).items()}


def advance(
    connection: RawConnection,
    completions: Sequence[Completion],
    worker: str,
    *,
    heartbeat_within: float | None = None,
) -> dict[Ticket, Progress]:
    """Record steps as done with their texts, and claim for `worker` the steps after those that have a lease.

    The answer is where each job stands now, `running` if its next step is claimed, and none where too late.
    With `heartbeat_within` nothing is claimed for a worker whose heartbeat is older than so many seconds.
    """
    texts = [(report, text) for report in completions for text in report.texts]
    rows = statements.run_raw(
        connection,
        "complete",
        {
            "jobs": [report.ticket.job for report in completions],
            "attempts": [report.ticket.attempt for report in completions],
            "steps": [report.ticket.step for report in completions],
            "results": [report.result for report in completions],
            "outcomes": [report.outcome for report in completions],
            "next_steps": [report.next_step for report in completions],
            "next_queues": [report.next_queue for report in completions],
            "next_agents": [report.next_agent for report in completions],
            "hand_overs": [report.hand_over for report in completions],
            "leases": [report.lease for report in completions],
            "events": [report.next_event for report in completions],
            "waits": [report.wait for report in completions],
            "ready_ats": [report.ready_at for report in completions],
            "text_jobs": [report.ticket.job for report, _ in texts],
            "text_steps": [report.ticket.step for report, _ in texts],
            "tokens": [text.token for _, text in texts],
            "recipients": [text.recipient for _, text in texts],
            "bodies": [text.body for _, text in texts],
            "worker": worker,
            "heartbeat_within": heartbeat_within,
        },
    )
    return {
        Ticket(row["id"], row["attempt"], row["finished_step"]): Progress(row["status"], row["since"])
        for row in rows
    }


def recorded(
    connection: RawConnection, completions: Sequence[Completion], worker: str
) -> dict[Ticket, Progress]:
    """Those of `completions` that were recorded already, for a worker that has missed the answer."""
    rows = statements.run_raw(
        connection,
        "recorded",
        {
            "jobs": [report.ticket.job for report in completions],
            "attempts": [report.ticket.attempt for report in completions],
            "steps": [report.ticket.step for report in completions],
            "next_steps": [report.next_step for report in completions],
            "worker": worker,
        },
    )
    return {
        Ticket(row["job"], row["attempt"], row["step"]): Progress(row["status"], row["since"]) for row in rows
    }


def fail(
    connection: RawConnection,
    ticket: Ticket,
    error: Mapping[str, Any],
    *,
    retry_after: float | None,
    worker: str,
) -> str | None:
    """Record that a step failed: again in `retry_after` seconds, or for good where None.

    Returns the status that the job has now, or None where the report is too late.
    """
    rows = statements.run_raw(
        connection,
        "fail",
        {
            "job": ticket.job,
            "attempt": ticket.attempt,
            "step": ticket.step,
            "error": json.dumps(error),
            "retry_after": retry_after,
            "worker": worker,
        },
    )
    return rows[0]["status"] if rows else None
