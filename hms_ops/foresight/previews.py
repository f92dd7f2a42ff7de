"""Previews: what a change would do to the open jobs of its queue, and to those of the queue they go to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.documents.foresight import Effect
from hms_oms.order.foresight.outlook import Situation
from hms_oms.order.policy import Policy
from hms_oms.queues import calendars
from hms_ops.foresight import effects, situations, workforce

#: The changes of jobs that have an effect on others.
Action = Literal["promote", "priority", "move", "cancel"]
ACTIONS = frozenset(get_args(Action))


def pause(connection: Connection, queue: str) -> Effect | None:
    """Preview ten minutes of a pause."""
    before = situations.read(connection, queue)
    return None if before is None else effects.of(queue, before, situations.paused(before))


def policy(connection: Connection, queue: str, instead: Policy) -> Effect | None:
    """Preview another policy."""
    before = situations.read(connection, queue)
    return None if before is None else effects.of(queue, before, before._replace(policy=instead))


def limit(
    connection: Connection,
    queue: str,
    *,
    window: int | None,
    starts_per_minute: int | None,
    at_once: int | None,
) -> Effect | None:
    """Preview other limits."""
    before = situations.read(connection, queue)
    if before is None:
        return None
    now = health.clock(connection)
    limited = workforce.of_queues(connection, now, queue)[queue].limited(window, starts_per_minute, at_once)
    return effects.of(queue, before, before._replace(slots=limited.slots, spacing=limited.spacing))


def sla(connection: Connection, queue: str, *, minutes: float, instead: float) -> Effect | None:
    """Preview another SLA: how the open jobs would fare had they been accepted under it."""
    before = situations.read(connection, queue)
    if before is None:
        return None
    office = calendars.in_force(connection, queue).office
    return effects.of(queue, before, situations.with_sla(before, 60 * (instead - minutes), office))


def jobs(
    connection: Connection,
    action: Action,
    chosen: Sequence[int],
    *,
    now: bool = False,
    priority: int = 0,
    to: str = "",
) -> list[Effect]:
    """Preview a change of jobs, in each of their queues of which enough was measured."""
    queues = situations.queues_of(connection, chosen)
    if action == "move":
        return _moves(connection, chosen, queues, to)
    previews = []
    for queue in queues:
        before = situations.read(connection, queue)
        if before is not None:
            after = _changed(before, action, chosen, now=now, priority=priority)
            previews.append(effects.of(queue, before, after))
    return previews


def _changed(
    before: Situation, action: Action, chosen: Sequence[int], *, now: bool, priority: int
) -> Situation:
    among = frozenset(chosen)
    if action == "cancel":
        return situations.without(before, among, running=now)
    if action == "priority":
        return situations.with_priority(before, dict.fromkeys(chosen, priority))
    here = {job.id for job in before.jobs}
    return situations.promoted(before, [job for job in chosen if job in here])


def _moves(connection: Connection, chosen: Sequence[int], queues: Sequence[str], to: str) -> list[Effect]:
    """What goes out of each queue, and what comes into the other; what runs stays."""
    among, previews = frozenset(chosen), []
    coming = []
    for queue in queues:
        if queue == to:
            continue
        before = situations.read(connection, queue)
        if before is None:
            continue
        previews.append(effects.of(queue, before, situations.without(before, among)))
        coming += [
            job._replace(in_flight=False) for job in before.jobs if job.id in among and job.runs_since is None
        ]
    there = situations.read(connection, to, also={job.kind for job in coming})
    if there is not None:
        after = there._replace(jobs=[*there.jobs, *coming])
        previews.append(effects.of(to, there, after))
    return previews
