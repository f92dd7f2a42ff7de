"""Undo: take a change back as far as nobody has changed the same since, once, and say what stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, RowMapping

from hms_oms.database import statements
from hms_oms.jobs import commands
from hms_oms.jobs.states import TERMINAL, Fact
from hms_oms.jobs.tickets import job_name
from hms_oms.runtime.errors import HmsError
from hms_oms.undo import changes, queue_changes
from hms_oms.undo.changes import Change

#: Changes to jobs: those that override one another, and the fact that leads back.
_SAME: Mapping[str, tuple[str, ...]] = {
    "cancel": ("cancel", "reinstate"),
    "reinstate": ("cancel", "reinstate"),
    "promote": ("promote", "priority"),
    "priority": ("promote", "priority"),
    "move": ("move",),
    "delay": ("delay",),
    **queue_changes.SAME,
}
_BACK = {
    "promote": Fact.REPRIORITIZED,
    "priority": Fact.REPRIORITIZED,
    "move": Fact.MOVED,
    "delay": Fact.DELAYED,
}
_NOUNS = {
    "cancel": "the cancellation",
    "reinstate": "the reinstatement",
    "promote": "the promotion",
    "priority": "the change of priority",
    "move": "the move",
    "delay": "the delay",
    "pause": "the pause",
    "resume": "the resumption",
    "limit": "the change of the limits",
    "sla": "the change of the SLA",
    "policy": "the change of the policy",
    "calendar": "the change of the calendar",
}


class NotUndoable(HmsError):
    """A change cannot be undone any more: the message says why."""


class NotYours(HmsError):
    """A change is somebody else's, and only they or a manager can undo it."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What was undone: for which jobs, and how many others stay as they are, by the reason."""

    change: Change
    restored: Sequence[int]
    left: Mapping[str, int]
    message: str


def undo(connection: Connection, number: int, *, who: str, manager: bool) -> Undone:
    """Undo a change once, within its time. Raises UnknownChange, NotYours and NotUndoable."""
    change = changes.hold(connection, number)
    _check(change, who, manager=manager)
    done = _of_queue(connection, change, who) if change.queue else _of_jobs(connection, change, who)
    changes.close(connection, number, who=who, restored=list(done.restored))
    return done


def noun(action: str) -> str:
    """What an action is called when it is spoken of."""
    return _NOUNS[action]


def _check(change: Change, who: str, *, manager: bool) -> None:
    if change.actor != who and not manager:
        raise NotYours(f"{_NOUNS[change.action]} is by {change.actor}: they or a manager can undo it")
    if change.undone_at is not None:
        raise NotUndoable(f"{_NOUNS[change.action]} was undone already, by {change.undone_by}")
    if change.seconds <= 0:
        raise NotUndoable(
            f"{_NOUNS[change.action]} can be undone for {changes.UNDO_SECONDS} seconds, and they are over"
        )


def _of_queue(connection: Connection, change: Change, who: str) -> Undone:
    assert change.queue is not None
    now = queue_changes.standing(connection, change.action, change.queue)
    if now != change.after:
        other = changes.later(connection, change, list(_SAME[change.action]))
        by = f" by {other}" if other else ""
        raise NotUndoable(f"{change.queue} was changed again{by} since: it stays as it is")
    queue_changes.restore(connection, change, who=who)
    message = f"Undone: {_NOUNS[change.action]} of {change.queue}."
    kept = queue_changes.accepted_since(connection, change)
    if kept:
        those = "1 job that was" if kept == 1 else f"{kept:,} jobs that were"
        message += f" {those} accepted meanwhile keep{'s' if kept == 1 else ''} the deadline."
    return Undone(change, [], {}, message)


def _of_jobs(connection: Connection, change: Change, who: str) -> Undone:
    given = {"change": change.id, "actions": list(_SAME[change.action])}
    commands.hold(connection, [row["id"] for row in statements.run(connection, "unchanged", given)])
    rows = statements.run(connection, "unchanged", given)
    restored = sorted(_restore(connection, change, [row for row in rows if row["changed_by"] is None], who))
    left = _left(connection, change, [row for row in rows if row["id"] not in set(restored)])
    reasons = "; ".join(f"{number:,} {reason}" for reason, number in left.items())
    if not restored:
        raise NotUndoable(f"nothing is left to undo: {reasons}")
    if len(rows) == 1:
        return Undone(change, restored, left, f"Undone: {_NOUNS[change.action]} of {job_name(restored[0])}.")
    message = f"Undone: {_NOUNS[change.action]} of {len(restored):,} jobs."
    if left:
        message = f"Undone: {_NOUNS[change.action]} of {len(restored):,} of {len(rows):,} jobs; {reasons}."
    return Undone(change, restored, left, message)


def _restore(connection: Connection, change: Change, rows: Sequence[RowMapping], who: str) -> list[int]:
    jobs = [row["id"] for row in rows]
    if change.action == "cancel":
        return commands.reinstate(connection, jobs, who=who, reason=None, undo=change.id)
    if change.action == "reinstate":
        begun = [row["id"] for row in rows if row["status"] in ("waiting", "queued")]
        return commands.cancel_jobs(connection, begun, who=who, reason=None, undo=change.id).jobs
    given = {"change": change.id, "jobs": jobs, "fact": _BACK[change.action].value, "who": who}
    return [row["id"] for row in statements.run(connection, "restore", given) if row["asked"]]


def _left(connection: Connection, change: Change, rows: Sequence[RowMapping]) -> Counter[str]:
    """How many jobs stay as they are, by the reason."""
    holders = commands.key_holders(connection, [row["id"] for row in rows])
    left: Counter[str] = Counter()
    for row in rows:
        if row["changed_by"] is not None:
            left[f"changed again by {row['changed_by']}"] += 1
        elif change.action == "cancel" and row["id"] in holders:
            left[f"replaced by {job_name(holders[row['id']])}"] += 1
        elif row["status"] in TERMINAL:
            left["ended already"] += 1
        elif row["status"] == "running":
            left["started already"] += 1
        elif change.action == "delay" and row["awaited"]:
            left[f"waits for {row['awaited']} now"] += 1
        else:
            left["gone on since"] += 1
    return left
