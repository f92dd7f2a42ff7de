"""Changes to a queue that can be undone: how it was, how it is since, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.jobs import commands
from hms_oms.order.policy import Policy
from hms_oms.queues import policies, sla
from hms_oms.undo import changes
from hms_oms.undo.changes import Change

Standing = Mapping[str, Any]

#: What is about the same thing, and so overrides one another.
SAME: Mapping[str, tuple[str, ...]] = {
    "pause": ("pause", "resume"),
    "resume": ("pause", "resume"),
    "limit": ("limit",),
    "sla": ("sla",),
    "policy": ("policy",),
    "calendar": ("calendar",),
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
    commands.require_queue(connection, queue)
    [row] = statements.run(connection, "hold_queue", {"queue": queue})
    if action == "sla":
        entry = sla.history(connection, queue)[0]
        return {"minutes": entry.minutes, "since": entry.effective_at.isoformat(), "setBy": entry.set_by}
    if action in _COLUMNS:
        return {name: _json(row[name]) for name in _COLUMNS[action]}
    return {"pausedAt": _json(row["paused_at"]), "pausedBy": row["paused_by"], "reason": row["pause_reason"]}


def restore(connection: Connection, change: Change, *, who: str) -> None:
    """Have a queue stand as it did before a change."""
    assert change.queue is not None
    assert change.before is not None
    queue, before = change.queue, change.before
    if change.action == "sla":
        reason = f"undo of {change.actor}'s change"
        sla.set_sla(connection, queue, before["minutes"], set_by=who, reason=reason)
    elif change.action == "limit":
        # A change that was kept by the release before knows nothing of `at_once`.
        before = {**dict.fromkeys(_LIMITS), **before}
        commands.limit(
            connection,
            queue,
            window=before["window_size"],
            starts_per_minute=before["starts_per_minute"],
            at_once=before["at_once"],
            who=who,
        )
        connection.execute(text(_LIMITED_BY), {"queue": queue, **before})
    elif change.action == "policy":
        policies.set_policy(connection, queue, Policy(before["policy"]), who=who)
        connection.execute(text(_POLICY_BY), {"queue": queue, **before})
    elif change.action == "calendar":
        connection.execute(text(_CALENDAR_BY), {"queue": queue, **before})
    elif before["pausedAt"] is None:
        commands.resume(connection, queue)
    else:
        commands.pause(connection, queue, who=before["pausedBy"], reason=before["reason"])
        # It has been paused since then, whatever happened in between.
        connection.execute(text(_PAUSED_SINCE), {"queue": queue, "at": before["pausedAt"]})


def accepted_since(connection: Connection, change: Change) -> int:
    """How many open jobs of a queue were accepted under an SLA or a calendar that is now undone."""
    if change.action not in _ACCEPTED_UNDER or change.after is None:
        return 0
    column, field = _ACCEPTED_UNDER[change.action]
    given = {"queue": change.queue, "at": change.at, "given": change.after[field]}
    query = f"{_ACCEPTED_SINCE} and {column} is not distinct from :given"
    return int(connection.scalar(text(query), given) or 0)


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


_LIMITS = (
    "window_size",
    "window_set_by",
    "window_set_at",
    "starts_per_minute",
    "starts_set_by",
    "starts_set_at",
    "at_once",
    "at_once_set_by",
    "at_once_set_at",
)

#: The columns that an action is about.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "limit": _LIMITS,
    "policy": ("policy", "policy_set_by", "policy_set_at"),
    "calendar": ("calendar_id", "calendar_set_by", "calendar_set_at"),
}

#: What jobs keep that were accepted meanwhile: their column, and the field of the change.
_ACCEPTED_UNDER: Mapping[str, tuple[str, str]] = {
    "sla": ("sla_minutes", "minutes"),
    "calendar": ("calendar_id", "calendar_id"),
}

_PAUSED_SINCE = "update oms.queues set paused_at = cast(:at as timestamptz) where name = :queue"

_LIMITED_BY = """
update oms.queues
set window_set_by = :window_set_by, window_set_at = cast(:window_set_at as timestamptz),
    starts_set_by = :starts_set_by, starts_set_at = cast(:starts_set_at as timestamptz),
    at_once_set_by = :at_once_set_by, at_once_set_at = cast(:at_once_set_at as timestamptz)
where name = :queue
"""

_POLICY_BY = """
update oms.queues
set policy_set_by = :policy_set_by, policy_set_at = cast(:policy_set_at as timestamptz)
where name = :queue
"""

_CALENDAR_BY = """
update oms.queues
set calendar_id = :calendar_id, calendar_set_by = :calendar_set_by,
    calendar_set_at = cast(:calendar_set_at as timestamptz)
where name = :queue
"""

_ACCEPTED_SINCE = """
select count(*) from oms.jobs
where queue = :queue and finished_at is null and created_at >= :at
"""
