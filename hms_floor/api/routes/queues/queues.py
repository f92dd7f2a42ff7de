"""Queues: counts, backlog, pauses, limits and SLAs."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated

from fastapi import APIRouter, Query

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import queues as asked_of_queues
from hms_floor.api.requests.requests import Limit, QueuePath, Reasoned
from hms_floor.api.requests.zones import Zone
from hms_floor.api.responses import Peek, Queues, SlaHistory, Slas
from hms_floor.api.routes.queues import dry_runs
from hms_floor.presentation import overview as board
from hms_floor.presentation.overview import Card
from hms_oms.access import audit
from hms_oms.database import health
from hms_oms.documents.foresight import MOST_WORKERS, Effect, QueueForecast
from hms_oms.documents.jobs import Peeked, Undo
from hms_oms.documents.queues import (
    Ahead,
    Cause,
    Forecast,
    Paused,
    Queue,
    QueueCounts,
    QueueLimits,
    QueuePolicy,
    Remedy,
    Resumed,
    Sla,
    SlaChange,
)
from hms_oms.jobs import commands
from hms_oms.jobs.queries import read
from hms_oms.order.policy import Policy
from hms_oms.queues import calendars, policies, queues
from hms_oms.queues import sla as slas
from hms_oms.runtime import format
from hms_oms.undo import queue_changes
from hms_ops import sla_preview
from hms_ops.forecast import advice, order_words, snapshot
from hms_ops.foresight import previews, staffing

router = APIRouter(route_class=Guarded, tags=["queues"])


@router.get("/queues")
def overview(app_state: TheAppState, zone: Zone) -> Queues:
    """Every queue as it stands now."""
    with app_state.reading() as connection:
        cards = {card.name: card for card in board.read(connection).cards}
        counts = queues.overview(connection)
    return Queues(tuple(_queue(queue, cards[queue.name], zone) for queue in counts))


@router.get("/queues/{queue}/peek")
def peek(app_state: TheAppState, queue: QueuePath, limit: Limit = 20) -> Peek:
    """The next jobs of a queue, in the order in which they will be handed out."""
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)
        jobs = read.peek(connection, queue, limit)
    places = enumerate(jobs, start=1)
    return Peek(tuple(Peeked(job.name, job.status, job.sla, position) for position, job in places))


@router.get("/queues/{queue}/forecast")
def forecast(
    app_state: TheAppState,
    queue: QueuePath,
    workers: Annotated[
        int | None, Query(ge=0, le=MOST_WORKERS, description="How it would fare with so many, too.")
    ] = None,
) -> QueueForecast:
    """How the open jobs of a queue will fare, with other workers, too, and how many are needed.

    It was foreseen lately, for all who look.
    """
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)
        standing = app_state.standings.get(queue, lambda: staffing.read(connection, queue))
    return staffing.forecast(queue, standing, workers)


@router.post("/queues/{queue}/pause")
def pause(
    app_state: TheAppState, who: Who, queue: QueuePath, body: asked_of_queues.Pause | None = None
) -> Paused:
    """Start nothing new in a queue; what runs is finished."""
    if body is not None and body.dry_run:
        return dry_runs.pause(app_state, queue)
    reason = body.reason if body else None
    with app_state.writing() as connection:
        with queue_changes.keep(connection, "pause", queue, who=who.actor) as kept:
            recalled = commands.pause(connection, queue, who=who.actor, reason=reason)
        audit.write(connection, [who.act(queue, reason=reason, detail={"recalled": recalled})])
        undo = visible.undo(connection, kept.change)
    return Paused(queue, "paused", recalled, undo)


@router.post("/queues/{queue}/resume")
def resume(app_state: TheAppState, who: Who, queue: QueuePath, body: Reasoned | None = None) -> Resumed:
    """Go on with a paused queue."""
    reason = body.reason if body else None
    with app_state.writing() as connection:
        with queue_changes.keep(connection, "resume", queue, who=who.actor) as kept:
            resumed = commands.resume(connection, queue)
        audit.write(connection, [who.act(queue, reason=reason, detail={"changed": resumed})])
        undo = visible.undo(connection, kept.change)
    return Resumed(queue, "open", resumed, undo)


@router.post("/queues/{queue}/limit")
def limit(app_state: TheAppState, who: Who, queue: QueuePath, body: asked_of_queues.Limits) -> QueueLimits:
    """Limit the window of a queue, its starts a minute, its jobs at once; without any, tell what holds."""
    if body.dry_run:
        return dry_runs.limit(app_state, queue, body)
    given = body.model_fields_set
    with app_state.writing() as connection:
        current = commands.limits(connection, queue)
        window, starts, at_once = dry_runs.limits(body, current)
        limits = {"window": window, "startsPerMinute": starts, "atOnce": at_once}
        with queue_changes.keep(connection, "limit", queue, who=who.actor) as kept:
            if commands.Limits(window, starts, at_once) != current:
                commands.limit(
                    connection,
                    queue,
                    window=window,
                    starts_per_minute=starts,
                    at_once=at_once,
                    who=who.actor,
                )
        if given - {"reason", "dry_run"}:  # who only asks what holds has changed nothing
            audit.write(connection, [who.act(queue, reason=body.reason, detail=limits)])
        undo = visible.undo(connection, kept.change)
    return QueueLimits(queue, window, starts, at_once, undo)


@router.post("/queues/{queue}/policy")
def policy(
    app_state: TheAppState, who: Who, queue: QueuePath, body: asked_of_queues.QueuePolicy
) -> QueuePolicy:
    """Set how the jobs of a queue are put in order; tell what holds if none is given."""
    if body.dry_run:
        return dry_runs.policy(app_state, queue, body)
    with app_state.writing() as connection:
        before = policies.hold(connection, queue)
        with queue_changes.keep(connection, "policy", queue, who=who.actor) as kept:
            if body.policy not in (None, before.policy):
                policies.set_policy(connection, queue, Policy(body.policy), who=who.actor)
        after = policies.hold(connection, queue)
        if body.policy is not None:  # who only asks what holds has changed nothing
            detail = {"before": before.policy, "policy": after.policy}
            audit.write(connection, [who.act(queue, reason=body.reason, detail=detail)])
        undo = visible.undo(connection, kept.change)
    return QueuePolicy(queue, after.policy, after.set_by, after.set_at, undo)


@router.put("/queues/{queue}/sla")
def set_sla(app_state: TheAppState, who: Who, queue: QueuePath, body: asked_of_queues.SetSla) -> SlaChange:
    """Hold a queue to so many minutes from now on. Jobs accepted before keep their deadline."""
    ahead: Forecast | None = None
    effect: Effect | None = None
    undo: Undo | None = None
    with app_state.writing() as connection:
        before = slas.minutes_in_force(connection, queue)
        calendars.deadline(connection, queue, body.minutes, field="minutes")
        if body.dry_run:
            ahead = _ahead(sla_preview.sla(connection, queue, minutes=before, instead=body.minutes))
            effect = previews.sla(connection, queue, minutes=before, instead=body.minutes)
            sla = Sla(queue, body.minutes, health.clock(connection), who.actor, body.reason)
        else:
            with queue_changes.keep(connection, "sla", queue, who=who.actor) as kept:
                # It may have been set while this waited for its turn.
                before = slas.minutes_in_force(connection, queue)
                sla = slas.set_sla(connection, queue, body.minutes, set_by=who.actor, reason=body.reason)
            detail = {"before": before, "minutes": body.minutes}
            audit.write(connection, [who.act(queue, reason=body.reason, detail=detail)])
            undo = visible.undo(connection, kept.change)
    return SlaChange.of(sla, before=before, dry_run=body.dry_run, forecast=ahead, undo=undo, effect=effect)


@router.get("/queues/{queue}/sla")
def history(app_state: TheAppState, queue: QueuePath) -> SlaHistory:
    """Every SLA that a queue ever had, newest first."""
    with app_state.reading() as connection:
        return SlaHistory(tuple(slas.history(connection, queue)))


@router.get("/sla")
def in_force(app_state: TheAppState) -> Slas:
    """The SLA of every queue, as it stands now."""
    with app_state.reading() as connection:
        return Slas(tuple(slas.in_force(connection)))


def _queue(counts: QueueCounts, card: Card, zone: tzinfo) -> Queue:
    return Queue.of(
        counts,
        status="paused" if counts.paused_at else "open",
        slots_to_have=card.slots_to_have,
        starts_per_minute=card.starts_per_minute,
        window=card.window_size,
        at_once=card.at_once,
        throughput_now=card.rate_now,
        throughput_mean=card.rate,
        cause=_cause(card, zone),
        policy=card.policy,
        policy_set_by=card.policy_set_by,
        policy_set_at=card.policy_set_at,
        calendar=card.calendar,
        held_hosts=tuple(card.held_hosts),
        given_up_since=card.plan and card.plan.given_up_since,
        given_up_because=card.plan and order_words.because(card.plan),
    )


def _cause(card: Card, zone: tzinfo) -> Cause | None:
    cause = card.cause
    if cause is None:
        return None
    sentence = advice.sentence(cause, lambda when: format.hour_and_zone(when, zone))
    return Cause.of(cause, remedies=tuple(map(Remedy.of, cause.remedies)), sentence=sentence)


def _ahead(preview: sla_preview.Preview | None) -> Forecast | None:
    if preview is None:
        return None
    change = preview.change
    return Forecast(
        open=preview.jobs,
        before=_forecast(change.before, change.late_now),
        after=_forecast(change.after, change.late_at_once),
        late_at_once=change.late_at_once,
    )


def _forecast(forecast: snapshot.Forecast, late_already: int) -> Ahead:
    return Ahead.of(forecast, late_already=late_already)
