"""Changes that can be undone for a while: the writer of oms.changes, and what may still be undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.runtime.errors import HmsError

#: For so many seconds of the ledger's clock a change can be undone.
UNDO_SECONDS = 30
#: What has been over for this long is removed, in seconds.
KEEP_SECONDS = 3600


class UnknownChange(HmsError):
    """No change that could be undone has this number."""

    def __init__(self, change: int) -> None:
        super().__init__(f"there is no change {change}, or it is too long ago to be undone")


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did: to `jobs` many jobs, or to a queue, which was as `before` and is as `after` since.

    `seconds` are left to undo it.
    """

    id: int
    at: datetime
    undo_until: datetime
    seconds: float
    actor: str
    action: str
    queue: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    jobs: int
    undone_at: datetime | None
    undone_by: str | None


def begin(
    connection: Connection,
    action: str,
    *,
    who: str,
    queue: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Begin a change in the transaction that makes it, and return its number."""
    statements.run(connection, "forget_changes", {"keep": KEEP_SECONDS})
    return int(
        connection.execute(
            text(_BEGIN),
            {
                "actor": who,
                "action": action,
                "queue": queue,
                "before": None if before is None else json.dumps(before),
                "after": None if after is None else json.dumps(after),
                "seconds": UNDO_SECONDS,
            },
        ).scalar_one()
    )


def prolong(connection: Connection, change: int) -> None:
    """Count the seconds from now on: a change to very many jobs takes several transactions."""
    connection.execute(
        text(
            "update oms.changes set undo_until = oms.now() + :seconds * interval '1 second'"
            " where id = :change"
        ),
        {"change": change, "seconds": UNDO_SECONDS},
    )


def get(connection: Connection, change: int) -> Change:
    """One change. Raises UnknownChange."""
    row = connection.execute(text(_SELECT + "where change.id = :change"), {"change": change})
    record = row.mappings().one_or_none()
    if record is None:
        raise UnknownChange(change)
    return Change(**record)


def undoable(connection: Connection, actor: str | None = None) -> list[Change]:
    """What can still be undone, the newest first; of one person, or of all."""
    rows = connection.execute(text(_SELECT + _UNDOABLE), {"actor": actor})
    return [change for change in (Change(**row) for row in rows.mappings()) if change.queue or change.jobs]


def hold(connection: Connection, change: int) -> Change:
    """Lock a change, so that it is undone once. Raises UnknownChange."""
    statements.run(connection, "hold_change", {"change": change})
    return get(connection, change)


def close(connection: Connection, change: int, *, who: str, restored: list[int]) -> None:
    """Record that a change was undone, and for which jobs."""
    connection.execute(
        text("update oms.changes set undone_at = oms.now(), undone_by = :who where id = :change"),
        {"change": change, "who": who},
    )
    connection.execute(
        text(
            "update oms.changed_jobs set restored = true"
            " where change_id = :change and job_id = any(cast(:jobs as bigint[]))"
        ),
        {"change": change, "jobs": restored},
    )


def later(connection: Connection, change: Change, actions: list[str]) -> str | None:
    """Who has last changed the same about a queue after this change, if it was not undone."""
    actor: str | None = connection.scalar(
        text(
            "select actor from oms.changes where queue = :queue and id > :change and undone_at is null"
            " and action = any(:actions) order by id desc limit 1"
        ),
        {"queue": change.queue, "change": change.id, "actions": actions},
    )
    return actor


_SELECT = """
select
    change.id, change.at, change.undo_until, change.actor, change.action, change.queue, change.before,
    change.after, change.undone_at, change.undone_by,
    extract(epoch from change.undo_until - oms.now())::float8 as seconds,
    (select count(*) from oms.changed_jobs as kept where kept.change_id = change.id) as jobs
from oms.changes as change
"""

_UNDOABLE = """
where change.undo_until > oms.now() and change.undone_at is null
    and (cast(:actor as text) is null or change.actor = :actor)
order by change.id desc
"""

_BEGIN = """
insert into oms.changes (actor, action, queue, before, after, undo_until)
values (
    :actor, :action, :queue, cast(:before as jsonb), cast(:after as jsonb),
    oms.now() + :seconds * interval '1 second'
)
returning id
"""
