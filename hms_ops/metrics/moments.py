"""Moments: how each queue at work stood every five seconds of the last day; the writer of ops.moments.

A burst of half a minute has its true shape in them, where samples have one value a minute.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_ops.forecast.snapshot import Snapshot

#: How far apart the moments of a queue are, in seconds, and how long they are kept.
STEP_SECONDS = 5.0
KEPT = timedelta(days=1)
#: The most moments that one keeping removes: more than it adds.
BITE = 1000


@dataclass(frozen=True, slots=True)
class Moment:
    """A queue over the step that ended at `at`: the most of its open and late jobs.

    `done` jobs were counted by the watch since it began to look; None where it does not know.
    """

    at: datetime
    open: int
    late: int
    done: int | None


def keep(connection: Connection, snapshot: Snapshot, were_open: Collection[str]) -> set[str]:
    """Keep this moment of each queue with open jobs, and of one that had some; returns the former."""
    rows = [
        {"at": snapshot.now, "queue": queue.name, "open": queue.open, "late": queue.late, "done": queue.done}
        for queue in snapshot.queues
        if queue.open or queue.name in were_open
    ]
    if rows:
        connection.execute(_KEEP, rows)
        connection.execute(_PRUNE, {"before": snapshot.now - KEPT, "bite": BITE})
    return {queue.name for queue in snapshot.queues if queue.open}


def history(
    connection: Connection, queue: str, since: datetime, until: datetime, step_seconds: float
) -> Sequence[Moment]:
    """A queue from `since` until before `until`, oldest first, by steps of so many seconds."""
    values = {"queue": queue, "since": since, "until": until, "step": step_seconds}
    return [Moment(**row) for row in connection.execute(_HISTORY, values).mappings()]


_KEEP = text(
    "insert into ops.moments (at, queue, open, late, done) values (:at, :queue, :open, :late, :done)"
    " on conflict do nothing"
)
_PRUNE = text("""
delete from ops.moments
where ctid = any(array(select ctid from ops.moments where at < :before order by at limit :bite))
""")
_HISTORY = text("""
select max(at) as at, max(open) as open, max(late) as late, max(done) as done
from ops.moments
where queue = :queue and at >= :since and at < :until
group by floor(date_part('epoch', at) / :step)
order by 1
""")
