"""Queues: how they stand, what comes next, what holds them back, and how many minutes they have."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from fastapi import APIRouter

from hms_floor.api import visible
from hms_floor.api.access import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import Limit, QueuePath, Reasoned
from hms_floor.api.responses import queues as answers
from hms_floor.api.zones import Zone
from hms_floor.presentation import documents
from hms_floor.presentation import overview as board
from hms_floor.presentation.overview import Card
from hms_oms.access import audit
from hms_oms.database import health
from hms_oms.jobs import commands, read
from hms_oms.queues import queues
from hms_oms.queues import sla as slas
from hms_oms.queues.queues import Queue
from hms_oms.queues.sla import Sla
from hms_oms.runtime import format
from hms_oms.undo import queue_changes
from hms_ops import sla_preview
from hms_ops.forecast import advice
from hms_ops.forecast.cause import document
from hms_ops.forecast.snapshot import Forecast
from hms_ops.sla_preview import Preview

router = APIRouter(route_class=Guarded, tags=["queues"])


@router.get("/queues", response_model=answers.Queues)
def overview(app_state: TheAppState, zone: Zone) -> dict[str, Any]:
    """Every queue as it stands now."""
    with app_state.reading() as connection:
        cards = {card.name: card for card in board.read(connection).cards}
        return {"queues": [_queue(each, cards[each.name], zone) for each in queues.overview(connection)]}


@router.get("/queues/{queue}/peek", response_model=answers.Peek)
def peek(app_state: TheAppState, queue: QueuePath, limit: Limit = 20) -> dict[str, Any]:
    """The next jobs of a queue, in the order in which they will be handed out."""
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)
        found = read.peek(connection, queue, limit)
    return {"jobs": [documents.peeked(job, place) for place, job in enumerate(found, start=1)]}


@router.post("/queues/{queue}/pause", response_model=answers.Paused)
def pause(
    app_state: TheAppState, who: Who, queue: QueuePath, wanted: Reasoned | None = None
) -> dict[str, Any]:
    """Start nothing new in a queue; what runs is finished."""
    reason = wanted.reason if wanted else None
    with app_state.writing() as connection:
        with queue_changes.keep(connection, "pause", queue, who=who.actor) as kept:
            recalled = commands.pause(connection, queue, who=who.actor, reason=reason)
        audit.write(connection, [who.act(queue, reason=reason, detail={"recalled": recalled})])
        undo = visible.undo(connection, kept.change)
    return {"queue": queue, "status": "paused", "recalled": recalled, "undo": undo}


@router.post("/queues/{queue}/resume", response_model=answers.Resumed)
def resume(
    app_state: TheAppState, who: Who, queue: QueuePath, wanted: Reasoned | None = None
) -> dict[str, Any]:
    """Go on with a paused queue."""
    reason = wanted.reason if wanted else None
    with app_state.writing() as connection:
        with queue_changes.keep(connection, "resume", queue, who=who.actor) as kept:
            resumed = commands.resume(connection, queue)
        audit.write(connection, [who.act(queue, reason=reason, detail={"changed": resumed})])
        undo = visible.undo(connection, kept.change)
    return {"queue": queue, "status": "open", "changed": resumed, "undo": undo}


@router.post("/queues/{queue}/limit", response_model=answers.QueueLimits)
def limit(app_state: TheAppState, who: Who, queue: QueuePath, wanted: requests.Limits) -> dict[str, Any]:
    """Limit the window of a queue, and its starts a minute."""
    given = wanted.model_fields_set
    with app_state.writing() as connection:
        found = commands.limits(connection, queue)
        window = wanted.window if "window" in given else found.window
        starts = wanted.starts_per_minute if "starts_per_minute" in given else found.starts_per_minute
        limits = {"window": window, "startsPerMinute": starts}
        with queue_changes.keep(connection, "limit", queue, who=who.actor) as kept:
            if commands.Limits(window, starts) != found:
                commands.limit(connection, queue, window=window, starts_per_minute=starts, who=who.actor)
        audit.write(connection, [who.act(queue, reason=wanted.reason, detail=limits)])
        undo = visible.undo(connection, kept.change)
    return {"queue": queue, **limits, "undo": undo}


@router.put("/queues/{queue}/sla", response_model=answers.SlaChange)
def set_sla(app_state: TheAppState, who: Who, queue: QueuePath, wanted: requests.SetSla) -> dict[str, Any]:
    """Hold a queue to so many minutes from now on. Jobs accepted before keep their deadline."""
    ahead: dict[str, Any] | None = None
    undo: dict[str, Any] | None = None
    with app_state.writing() as connection:
        before = slas.minutes_in_force(connection, queue)
        if wanted.dry_run:
            ahead = _ahead(sla_preview.sla(connection, queue, minutes=before, instead=wanted.minutes))
            found = Sla(queue, wanted.minutes, health.clock(connection), who.actor, wanted.reason)
        else:
            with queue_changes.keep(connection, "sla", queue, who=who.actor) as kept:
                found = slas.set_sla(
                    connection, queue, wanted.minutes, set_by=who.actor, reason=wanted.reason
                )
            undo = visible.undo(connection, kept.change)
        detail = {"before": before, "minutes": wanted.minutes, "dryRun": wanted.dry_run}
        audit.write(connection, [who.act(queue, reason=wanted.reason, detail=detail)])
    more = {"before": before, "dryRun": wanted.dry_run, "forecast": ahead, "undo": undo}
    return documents.sla(found) | more


@router.get("/queues/{queue}/sla", response_model=answers.SlaHistory)
def history(app_state: TheAppState, queue: QueuePath) -> dict[str, Any]:
    """Every SLA that a queue ever had, newest first."""
    with app_state.reading() as connection:
        return {"history": [documents.sla(each) for each in slas.history(connection, queue)]}


@router.get("/sla", response_model=answers.Slas)
def in_force(app_state: TheAppState) -> dict[str, Any]:
    """The SLA of every queue, as it stands now."""
    with app_state.reading() as connection:
        return {"slas": [documents.sla(each) for each in slas.in_force(connection)]}


def _queue(found: Queue, card: Card, zone: tzinfo) -> dict[str, Any]:
    cause = card.cause
    said = None if cause is None else advice.sentence(cause, lambda when: format.hour_and_zone(when, zone))
    return documents.queue(found) | {
        "startsPerMinute": card.starts_per_minute,
        "window": card.window_size,
        "slotsToHave": card.slots_to_have,
        "throughputNow": card.rate_now,
        "throughputMean": card.rate,
        "cause": None if cause is None else {**(document(cause) or {}), "sentence": said},
    }


def _ahead(found: Preview | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "open": found.jobs,
        "before": _forecast(found.change.before, found.change.late_now),
        "after": _forecast(found.change.after, found.change.late_at_once),
        "lateAtOnce": found.change.late_at_once,
    }


def _forecast(found: Forecast, late_already: int) -> dict[str, Any]:
    return {
        "lateAlready": late_already,
        "late": found.late,
        "firstLate": found.first_late,
        "doneAt": found.done_at,
        "slotsNeeded": found.slots_needed,
        "limitNeeded": found.limit_needed,
    }
