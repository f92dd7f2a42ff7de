"""Control: what a person may do to jobs and queues while they live, each with who and why in the event log.

Every verb takes the jobs' ids and changes those that are in a state to be changed; it returns their ids.
With `change`, the number of a change that can be undone, it keeps what the jobs had before.
Nothing is visible before the caller commits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, func, select, text
from sqlalchemy.exc import IntegrityError

from hms_oms.database import statements
from hms_oms.database.schema import tables
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.states import Fact
from hms_oms.jobs.tickets import Ticket
from hms_oms.runtime.errors import UnknownQueue

#: The highest priority that may be set by hand; promotion goes beyond it.
HIGHEST_PRIORITY = 1000
#: So often a reinstatement is tried while jobs with the same keys come in.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The jobs that were cancelled, and the tickets of the steps that were running and are to be ended."""

    jobs: list[int]
    running: list[Ticket]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many jobs may stand in a queue's window, start a minute, and be in flight at once; None: any."""

    window: int | None
    starts_per_minute: int | None
    at_once: int | None = None


def cancel(
    connection: Connection, jobs: Sequence[int], *, who: str, reason: str | None, now: bool = False
) -> list[Ticket]:
    """Cancel jobs: those that run end at their next step boundary, or at once with `now`.

    Returns the tickets of the steps that were running and are to be ended; with `now` their reports will be
    refused, whether they can be ended or not.
    """
    return cancel_jobs(connection, jobs, who=who, reason=reason, now=now).running


def cancel_jobs(
    connection: Connection,
    jobs: Sequence[int],
    *,
    who: str,
    reason: str | None,
    now: bool = False,
    change: int | None = None,
    undo: int | None = None,
) -> Cancelled:
    """As `cancel`; tells which jobs it changed, too."""
    # What a job is just split into, or starts, is cancelled with it.
    hold(connection, jobs)
    given = {"jobs": list(jobs), "who": who, "reason": reason, "now": now, "change": change, "undo": undo}
    rows = statements.run(connection, "cancel", given)
    running = [
        Ticket(row["id"], row["attempt"] - (1 if now else 0), row["step"])
        for row in rows
        if row["found"] == "running"
    ]
    return Cancelled(_ids(rows), running)


def retry(connection: Connection, jobs: Sequence[int], *, who: str, reason: str | None) -> list[int]:
    """Have failed jobs tried again, from the step that failed."""
    return _ids(statements.run(connection, "revive", {"jobs": list(jobs), "who": who, "reason": reason}))


def reinstate(
    connection: Connection,
    jobs: Sequence[int],
    *,
    who: str,
    reason: str | None,
    change: int | None = None,
    undo: int | None = None,
) -> list[int]:
    """Have cancelled jobs done after all, from the step at which they stood, by the deadline that they had.

    Those that a newer job with their key has replaced stay cancelled: `key_holders` names them.
    """
    given = {"jobs": list(jobs), "who": who, "reason": reason, "change": change, "undo": undo}
    for _ in range(TRIES):
        # If a job with one of the keys is just being accepted, the next look sees it.
        with suppress(IntegrityError), connection.begin_nested():
            return _ids(statements.run(connection, "reinstate", given))
    return []


def key_holders(connection: Connection, jobs: Sequence[int]) -> Mapping[int, int]:
    """The cancelled jobs that cannot be reinstated, each with the newer job that has its key."""
    rows = statements.run(connection, "key_holders", {"jobs": list(jobs)})
    return {row["id"]: row["holder"] for row in rows}


def prioritize(
    connection: Connection,
    jobs: Sequence[int],
    priority: int,
    *,
    who: str,
    reason: str | None,
    change: int | None = None,
) -> list[int]:
    """Set the priority of jobs that have not been claimed: the higher goes first."""
    return _reorder(connection, jobs, Fact.REPRIORITIZED, who, reason, change, priority=priority)


def promote(
    connection: Connection, job: int, *, who: str, reason: str | None, change: int | None = None
) -> list[int]:
    """Put one job in front of everything that waits in its queue."""
    rows = statements.run(connection, "front", {"job": job})
    if not rows:
        return []
    return _reorder(connection, [job], Fact.PROMOTED, who, reason, change, priority=rows[0]["highest"] + 1)


def move(
    connection: Connection,
    jobs: Sequence[int],
    queue: str,
    *,
    who: str,
    reason: str | None,
    change: int | None = None,
) -> list[int]:
    """Move jobs that have not been claimed to another queue. Raises UnknownQueue."""
    require_queue(connection, queue)
    return _reorder(connection, jobs, Fact.MOVED, who, reason, change, queue=queue)


def delay(
    connection: Connection,
    jobs: Sequence[int],
    until: datetime | None,
    *,
    who: str,
    reason: str | None,
    change: int | None = None,
) -> list[int]:
    """Start jobs no earlier than `until` (None: at once). Their deadline stays."""
    return _reorder(connection, jobs, Fact.DELAYED, who, reason, change, ready_at=until)


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


def limit(
    connection: Connection,
    queue: str,
    *,
    window: int | None,
    starts_per_minute: int | None,
    who: str,
    at_once: int | None = None,
) -> None:
    """Set the limits of a queue, which keeps who has set each of them, and when. Raises UnknownQueue."""
    require_queue(connection, queue)
    limits = {"window": window, "starts": starts_per_minute, "at_once": at_once}
    connection.execute(text(_LIMIT), {"queue": queue, "who": who, **limits})
    _notify(connection, queue)


def limits(connection: Connection, queue: str) -> Limits:
    """The limits of a queue, held until the transaction ends. Raises UnknownQueue."""
    require_queue(connection, queue)
    [row] = statements.run(connection, "hold_limits", {"queue": queue})
    return Limits(row["window_size"], row["starts_per_minute"], row["at_once"])


def require_queue(connection: Connection, queue: str) -> None:
    """Raise UnknownQueue unless some recipe uses the queue."""
    known = connection.scalars(text("select name from oms.queues order by name")).all()
    if queue not in known:
        raise UnknownQueue(queue, known)


def count_by_status(connection: Connection, selected: Filter) -> Mapping[str, int]:
    """Count the jobs that match a filter, by status."""
    status = tables.jobs.c.status
    rows = connection.execute(select(status, func.count()).where(*selected.clauses()).group_by(status))
    return {row[0]: row[1] for row in rows}


def page(connection: Connection, selected: Filter, *, limit: int, after: int | None = None) -> list[int]:
    """The ids of the jobs that a filter means, newest first; `after` goes on behind that id."""
    job = tables.jobs.c.id
    query = select(job).where(*selected.clauses()).order_by(job.desc()).limit(limit)
    return list(connection.scalars(query if after is None else query.where(job < after)))


def statuses(connection: Connection, jobs: Sequence[int]) -> Mapping[int, str]:
    """The status of each job; one that does not exist has none."""
    query = text("select id, status from oms.jobs where id = any(cast(:jobs as bigint[]))")
    rows = connection.execute(query, {"jobs": list(jobs)})
    return {row.id: row.status for row in rows}


def hold(connection: Connection, jobs: Sequence[int]) -> None:
    """Lock jobs and what goes with them in the order in which all verbs do, before they are changed."""
    known, held = -1, 0
    while held > known:  # One that was waited for may have got parts meanwhile.
        known, held = held, len(statements.run(connection, "hold_jobs", {"jobs": list(jobs)}))


def lease_until(connection: Connection, job: int) -> datetime | None:
    """Until when a running job belongs to the worker or agent that has claimed it."""
    return connection.scalar(select(tables.jobs.c.lease_until).where(tables.jobs.c.id == job))


def _reorder(
    connection: Connection,
    jobs: Sequence[int],
    fact: Fact,
    who: str,
    reason: str | None,
    change: int | None,
    *,
    priority: int | None = None,
    queue: str | None = None,
    ready_at: datetime | None = None,
) -> list[int]:
    given = {"jobs": list(jobs), "fact": fact.value, "who": who, "reason": reason, "change": change}
    place = {"priority": priority, "queue": queue, "ready_at": ready_at}
    return _ids(statements.run(connection, "reorder", {**given, **place}))


def _notify(connection: Connection, queue: str) -> None:
    connection.execute(text("select pg_notify('oms_backlog', :queue)"), {"queue": queue})


def _ids(rows: Sequence[RowMapping]) -> list[int]:
    # What was changed beside the jobs that were asked for are their parts.
    return [int(row["id"]) for row in rows if row["asked"]]


_LIMIT = """
update oms.queues set
    window_set_by = case when window_size is distinct from :window then :who else window_set_by end,
    window_set_at = case when window_size is distinct from :window then oms.now() else window_set_at end,
    starts_set_by = case when starts_per_minute is distinct from :starts then :who else starts_set_by end,
    starts_set_at =
        case when starts_per_minute is distinct from :starts then oms.now() else starts_set_at end,
    window_size = :window,
    at_once_set_by = case when at_once is distinct from :at_once then :who else at_once_set_by end,
    at_once_set_at = case when at_once is distinct from :at_once then oms.now() else at_once_set_at end,
    at_once = :at_once,
    starts_per_minute = :starts,
    starts_from = oms.now()
where name = :queue
"""
