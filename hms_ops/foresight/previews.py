"""Previews: what a change would do to the open jobs of its queue, and to those of the queue they go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, get_args

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.documents.foresight import Effect
from hms_oms.order.foresight.line import Situation
from hms_oms.order.foresight.open_jobs import Open
from hms_oms.order.policy import Policy
from hms_oms.queues import calendars
from hms_ops.foresight import effects, situations, workforce

#: The changes of jobs that have an effect on others.
Action = Literal["promote", "priority", "move", "cancel"]
ACTIONS = frozenset(get_args(Action))


class Previews(NamedTuple):
    """The effects of a change of jobs, and the queues of which too little was measured to tell one."""

    effects: Sequence[Effect]
    unmeasured: Sequence[str]


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
) -> Previews:
    """Preview a change of jobs, in each of their queues."""
    queues = situations.queues_of(connection, chosen)
    if action == "move":
        return _moves(connection, chosen, queues, to)
    effect_of: dict[str, Effect | None] = {}
    for queue in queues:
        before = situations.read(connection, queue)
        effect_of[queue] = before and effects.of(
            queue, before, _changed(before, action, chosen, now=now, priority=priority)
        )
    return _previews(effect_of)


def _changed(
    before: Situation, action: Action, chosen: Sequence[int], *, now: bool, priority: int
) -> Situation:
    if action == "cancel":
        return situations.without(before, chosen, running=now)
    if action == "priority":
        return situations.with_priority(before, dict.fromkeys(chosen, priority))
    return situations.promoted(before, chosen)


def _moves(connection: Connection, chosen: Sequence[int], queues: Sequence[str], to: str) -> Previews:
    """What goes out of each queue, and what comes into the other; what runs stays."""
    effect_of: dict[str, Effect | None] = {}
    coming: list[Open] = []
    for queue in queues:
        if queue == to:
            continue
        jobs = situations.open_jobs(connection, queue)
        _, out = jobs.apart(chosen)
        coming += [job._replace(in_flight=False) for job in out if job.runs_since is None]
        before = situations.of_jobs(connection, queue, jobs)
        effect_of[queue] = before and effects.of(queue, before, situations.without(before, chosen))
    there = situations.read(connection, to, also={job.kind for job in coming})
    effect_of[to] = there and effects.of(to, there, there._replace(jobs=there.jobs.plus(coming)))
    return _previews(effect_of)


def _previews(effect_of: Mapping[str, Effect | None]) -> Previews:
    known = [effect for effect in effect_of.values() if effect is not None]
    return Previews(known, [queue for queue, effect in effect_of.items() if effect is None])
