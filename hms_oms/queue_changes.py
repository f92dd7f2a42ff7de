"""Changes to a queue that can be undone: how it was, how it is since, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from hms_oms import changes, control, sla
from hms_oms.changes import Change

Standing = Mapping[str, Any]

#: What is about the same thing, and so overrides one another.
SAME: Mapping[str, tuple[str, ...]] = {
    "pause": ("pause", "resume"),
    "resume": ("pause", "resume"),
    "limit": ("limit",),
    "sla": ("sla",),
}


@dataclass
class Kept:
    """The number of a change; None as long as nothing was changed."""

    change: int | None = None


@contextmanager
def keep(connection: Connection, action: str, queue: str, *, who: str) -> Iterator[Kept]:
    """Keep what the block does to a queue, so that it can be undone. Raises UnknownQueue."""
    kept, before = Kept(), standing(connection, action, queue)
    yield kept
    after = standing(connection, action, queue)
    if after != before:
        kept.change = changes.begin(connection, action, who=who, queue=queue, before=before, after=after)


def standing(connection: Connection, action: str, queue: str) -> Standing:
    """How a queue stands as far as an action is about it, held until the transaction ends."""
    control.require_queue(connection, queue)
    row = connection.execute(text(_QUEUE), {"queue": queue}).mappings().one()
    if action == "sla":
        entry = sla.history(connection, queue)[0]
        return {"minutes": entry.minutes, "since": entry.effective_at.isoformat(), "setBy": entry.set_by}
    if action == "limit":
        return {"window": row["window_size"], "startsPerMinute": row["starts_per_minute"]}
    at: datetime | None = row["paused_at"]
    return {"pausedAt": at and at.isoformat(), "pausedBy": row["paused_by"], "reason": row["pause_reason"]}


def restore(connection: Connection, change: Change, *, who: str) -> None:
    """Have a queue stand as it did before a change."""
    assert change.queue is not None
    assert change.before is not None
    queue, before = change.queue, change.before
    if change.action == "sla":
        reason = f"undo of {change.actor}'s change"
        sla.set_sla(connection, queue, before["minutes"], set_by=who, reason=reason)
    elif change.action == "limit":
        control.limit(connection, queue, window=before["window"], starts_per_minute=before["startsPerMinute"])
    elif before["pausedAt"] is None:
        control.resume(connection, queue)
    else:
        control.pause(connection, queue, who=before["pausedBy"], reason=before["reason"])
        # It has been paused since then, whatever happened in between.
        connection.execute(text(_PAUSED_SINCE), {"queue": queue, "at": before["pausedAt"]})


def accepted_since(connection: Connection, change: Change) -> int:
    """How many open jobs of a queue were accepted under an SLA that is now undone."""
    if change.action != "sla" or change.after is None:
        return 0
    given = {"queue": change.queue, "at": change.at, "minutes": change.after["minutes"]}
    return int(connection.scalar(text(_ACCEPTED_SINCE), given) or 0)


_QUEUE = """
select paused_at, paused_by, pause_reason, window_size, starts_per_minute
from oms.queues where name = :queue for update
"""

_PAUSED_SINCE = "update oms.queues set paused_at = cast(:at as timestamptz) where name = :queue"

_ACCEPTED_SINCE = """
select count(*) from oms.jobs
where queue = :queue and status in ('waiting', 'queued', 'running')
    and created_at >= :at and sla_minutes = :minutes
"""
