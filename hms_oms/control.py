"""Control: what a person may do to jobs and queues while they live, each with who and why in the diary.

Every verb takes the jobs' ids and changes those that are in a state to be changed; it returns their ids.
Nothing is visible before the caller commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, text

from hms_oms import statements
from hms_oms.errors import UnknownQueue
from hms_oms.states import Fact
from hms_oms.tickets import Ticket

#: The highest priority that may be set by hand; promotion goes beyond it.
HIGHEST_PRIORITY = 1000


def cancel(
    connection: Connection, jobs: Sequence[int], *, who: str, reason: str | None, now: bool = False
) -> list[Ticket]:
    """Cancel jobs: those that run end at their next step boundary, or at once with `now`.

    Returns the tickets of the steps that were running and are to be ended; with `now` their reports will be
    refused, whether they can be ended or not.
    """
    rows = statements.run(
        connection, "cancel", {"jobs": list(jobs), "who": who, "reason": reason, "now": now}
    )
    return [
        Ticket(row["id"], row["attempt"] - (1 if now else 0), row["step"])
        for row in rows
        if row["found"] == "running"
    ]


def retry(connection: Connection, jobs: Sequence[int], *, who: str, reason: str | None) -> list[int]:
    """Have failed jobs tried again, from the step that failed."""
    return _ids(statements.run(connection, "revive", {"jobs": list(jobs), "who": who, "reason": reason}))


def prioritize(
    connection: Connection, jobs: Sequence[int], priority: int, *, who: str, reason: str | None
) -> list[int]:
    """Set the priority of jobs that have not been claimed: the higher goes first."""
    return _reorder(connection, jobs, Fact.REPRIORITIZED, who, reason, priority=priority)


def promote(connection: Connection, job: int, *, who: str, reason: str | None) -> list[int]:
    """Put one job in front of everything that waits in its queue."""
    rows = statements.run(connection, "front", {"job": job})
    if not rows:
        return []
    return _reorder(connection, [job], Fact.PROMOTED, who, reason, priority=rows[0]["highest"] + 1)


def move(
    connection: Connection, jobs: Sequence[int], queue: str, *, who: str, reason: str | None
) -> list[int]:
    """Move jobs that have not been claimed to another queue. Raises UnknownQueue."""
    require_queue(connection, queue)
    return _reorder(connection, jobs, Fact.MOVED, who, reason, queue=queue)


def delay(
    connection: Connection, jobs: Sequence[int], until: datetime | None, *, who: str, reason: str | None
) -> list[int]:
    """Start jobs no earlier than `until` (None: at once). Their deadline stays."""
    return _reorder(connection, jobs, Fact.DELAYED, who, reason, ready_at=until)


def pause(connection: Connection, queue: str, *, who: str, reason: str | None) -> int:
    """Start nothing new in a queue; returns how many jobs were called back from its window.

    Steps that run are finished, and then the job waits. Raises UnknownQueue.
    """
    require_queue(connection, queue)
    rows = statements.run(connection, "pause", {"queue": queue, "who": who, "reason": reason})
    return int(rows[0]["recalled"])


def resume(connection: Connection, queue: str) -> bool:
    """Go on with a paused queue; False where it was not paused. Raises UnknownQueue."""
    require_queue(connection, queue)
    resumed = connection.execute(
        text(
            "update oms.queues set paused_at = null, paused_by = null, pause_reason = null"
            " where name = :queue and paused_at is not null"
        ),
        {"queue": queue},
    ).rowcount
    _notify(connection, queue)
    return resumed > 0


def limit(connection: Connection, queue: str, *, window: int | None, starts_per_minute: int | None) -> None:
    """Set how many jobs may stand in a queue's window, and how many may start a minute (None: no limit).

    Raises UnknownQueue.
    """
    require_queue(connection, queue)
    connection.execute(
        text(
            "update oms.queues"
            " set window_size = :window, starts_per_minute = :starts, starts_from = oms.now()"
            " where name = :queue"
        ),
        {"queue": queue, "window": window, "starts": starts_per_minute},
    )
    _notify(connection, queue)


def require_queue(connection: Connection, queue: str) -> None:
    """Raise UnknownQueue unless some recipe uses the queue."""
    known = connection.scalars(text("select name from oms.queues order by name")).all()
    if queue not in known:
        raise UnknownQueue(queue, known)


def _reorder(
    connection: Connection,
    jobs: Sequence[int],
    fact: Fact,
    who: str,
    reason: str | None,
    *,
    priority: int | None = None,
    queue: str | None = None,
    ready_at: datetime | None = None,
) -> list[int]:
    return _ids(
        statements.run(
            connection,
            "reorder",
            {
                "jobs": list(jobs),
                "fact": fact.value,
                "who": who,
                "reason": reason,
                "priority": priority,
                "queue": queue,
                "ready_at": ready_at,
            },
        )
    )


def _notify(connection: Connection, queue: str) -> None:
    connection.execute(text("select pg_notify('oms_backlog', :queue)"), {"queue": queue})


def _ids(rows: Sequence[RowMapping]) -> list[int]:
    return [int(row["id"]) for row in rows]
