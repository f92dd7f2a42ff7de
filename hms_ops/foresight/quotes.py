"""Quotes: what a new job could expect if it were accepted now."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.documents.foresight import Quoted
from hms_oms.order.foresight.open_jobs import Open
from hms_oms.order.foresight.quote import Quote, quote
from hms_oms.recipes.steps.step import Step
from hms_ops.foresight import situations

#: The id of a job that does not exist: behind all that do.
NEW = 2**63 - 1


def of(
    connection: Connection,
    job_type: str,
    first: Step,
    cell: int,
    *,
    deadline: datetime,
    sla_minutes: float,
    priority: int = 0,
    must: bool = False,
) -> Quoted:
    """Quote a job of a kind of work, by its first step, with a deadline.

    An SLA says how much earlier one is served that must be on time.
    """
    queue = first.queue
    unknown = _unknown(first)
    situation = None if unknown else situations.read(connection, queue, also=[cell])
    if situation is None:
        unknown = unknown or f"too little of {queue} was measured lately"
        return Quoted(job_type, queue, deadline, None, None, None, None, None, unknown)
    accepted = health.clock(connection).timestamp()
    job = Open(NEW, accepted, deadline.timestamp(), cell, 60 * sla_minutes, must, priority)
    return _document(job_type, queue, deadline, quote(situation, job))


def _unknown(first: Step) -> str | None:
    """Why nobody can tell when a job ends that begins with this step; None if it can be told."""
    if first.by == "agent":
        return f"{first.name} is done by an agent, and how fast agents are is not known"
    if first.is_split:
        return f"{first.name} is done in parts, and nothing can be told of them before they are there"
    return None


def _document(job_type: str, queue: str, deadline: datetime, quoted: Quote) -> Quoted:
    return Quoted(
        job_type,
        queue,
        deadline,
        quoted.holds,
        round(quoted.late, 3),
        len(quoted.others),
        moment(quoted.end),
        None if quoted.earliest is None else moment(quoted.earliest),
    )


def moment(seconds: float) -> datetime | None:
    """A moment; an infinite one never comes."""
    return None if seconds == inf else datetime.fromtimestamp(seconds, UTC)
