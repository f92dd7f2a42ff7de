"""Dry runs of changes to a queue: nothing is written, and told is what the change would do."""

from __future__ import annotations

from hms_floor.api.app_state import AppState
from hms_floor.api.requests import queues as asked_of_queues
from hms_oms.documents.queues import Paused, QueueLimits, QueuePolicy
from hms_oms.jobs import commands
from hms_oms.jobs.commands import Limits
from hms_oms.order.policy import Policy
from hms_oms.queues import policies
from hms_ops.foresight import previews


def pause(app_state: AppState, queue: str) -> Paused:
    """What ten minutes of a pause would do."""
    with app_state.reading() as connection:
        commands.require_queue(connection, queue)
        effect = previews.pause(connection, queue)
    return Paused(queue, "open", 0, None, dry_run=True, effect=effect)


def limit(app_state: AppState, queue: str, body: asked_of_queues.Limits) -> QueueLimits:
    """What other limits would do."""
    with app_state.writing() as connection:
        window, starts, at_once = limits(body, commands.limits(connection, queue))
    with app_state.reading() as connection:
        effect = previews.limit(connection, queue, window=window, starts_per_minute=starts, at_once=at_once)
    return QueueLimits(queue, window, starts, at_once, None, dry_run=True, effect=effect)


def policy(app_state: AppState, queue: str, body: asked_of_queues.QueuePolicy) -> QueuePolicy:
    """What another policy would do."""
    with app_state.writing() as connection:
        before = policies.hold(connection, queue)
    instead = Policy(body.policy or before.policy)
    with app_state.reading() as connection:
        effect = previews.policy(connection, queue, instead)
    return QueuePolicy(queue, instead, before.set_by, before.set_at, None, dry_run=True, effect=effect)


def limits(body: asked_of_queues.Limits, current: Limits) -> tuple[int | None, int | None, int | None]:
    """Window, starts a minute and jobs at once: as asked for, and what is not named as it is."""
    given = body.model_fields_set
    return (
        body.window if "window" in given else current.window,
        body.starts_per_minute if "starts_per_minute" in given else current.starts_per_minute,
        body.at_once if "at_once" in given else current.at_once,
    )
