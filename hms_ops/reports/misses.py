"""Find why deadlines were missed: how the worst misses spent their time, by their event logs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, RowMapping, select

from hms_oms.database.schema.tables import job_events
from hms_oms.jobs.records import Event, in_full
from hms_oms.jobs.states import Fact, Status
from hms_oms.jobs.tickets import job_name
from hms_ops.documents.reports import Miss
from hms_ops.statements import statement


class Cause(StrEnum):
    """Category of a job's time."""

    WAITED = "waited"  # in the backlog or the window, for its turn
    RAN_LONG = "ran long"  # in steps that were completed, or still run
    RETRIED = "retried"  # in attempts that failed, in back-off, or failed until a person revived it
    LOST_WORKER = "lost worker"  # in attempts whose worker or message was lost, or failed because of that
    # called back by a pause, delayed by a person, cancelled until it was reinstated, or waiting for an event
    # or a time of its recipe, or for an answer of the applicant
    HELD = "held"


#: What becomes of the time of an attempt by the fact that ends it; any other end counts as running.
_UNDONE: Mapping[str, Cause] = {
    Fact.LOST: Cause.LOST_WORKER,
    Fact.POISONED: Cause.LOST_WORKER,
    Fact.RETRYING: Cause.RETRIED,
    Fact.FAILED: Cause.RETRIED,
}
#: Facts that leave a job where it is, so that what it was waiting or running for goes on.
_IN_PASSING = frozenset(
    {Fact.CANCEL_ASKED, Fact.CANCEL_WITHDRAWN, Fact.PROMOTED, Fact.REPRIORITIZED, Fact.MOVED}
)


def worst(
    connection: Connection, since: datetime, until: datetime, *, queue: str | None = None, limit: int = 20
) -> Sequence[Miss]:
    """The worst misses of a span, in a queue (None: in all), the latest first.

    Those that failed before their deadline come last. Only the event logs of those that are shown are read.
    """
    rows = (
        connection.exec_driver_sql(
            statement("sla_misses"), {"since": since, "until": until, "queue": queue, "worst": limit}
        )
        .mappings()
        .all()
    )
    event_logs = _event_logs(connection, [row["job"] for row in rows])
    return [_miss(row, event_logs.get(row["job"], [])) for row in rows]


def _miss(row: RowMapping, event_log: Sequence[Event]) -> Miss:
    # The time of a job runs from acceptance, or the start that was asked for then, to its end, or until now.
    shares = spent(event_log, row["since"], row["until"])
    return Miss(
        job=job_name(row["job"]),
        type=row["type"],
        queue=row["queue"],
        status=row["status"],
        deadline=row["deadline"],
        finished_at=row["finished_at"],
        # One that failed before its deadline is not late.
        late_seconds=max(0.0, (row["until"] - row["deadline"]).total_seconds()),
        # Of equal shares the first in the order of the causes.
        cause=str(max(shares, key=lambda cause: shares[cause])),
        spent={str(cause): seconds for cause, seconds in shares.items()},
    )


def spent(event_log: Sequence[Event], since: datetime, until: datetime) -> Mapping[Cause, float]:
    """How the time from `since` to `until` was spent, in seconds for each cause; together it is all of it.

    Time that no line of the event log tells of counts as waited.
    """
    shares = dict.fromkeys(Cause, timedelta())
    # Lines stand in the order in which they were written; a transaction that had to wait has an older time.
    moments = list(itertools.accumulate((min(max(event.at, since), until) for event in event_log), max))
    shares[Cause.WAITED] += (moments[0] if moments else until) - since
    hold, hold_until = Cause.WAITED, since
    for place, event in enumerate(event_log):
        start, end = moments[place], moments[place + 1] if place + 1 < len(event_log) else until
        if event.status == Status.WAITING:
            hold, hold_until = _hold(event, hold, hold_until, until)
            released = min(max(start, hold_until), end)
            shares[hold] += released - start
            shares[Cause.WAITED] += end - released
        else:
            hold, hold_until = Cause.WAITED, since
            shares[_into(event_log, place)] += end - start
    return {cause: share.total_seconds() for cause, share in shares.items()}


def _hold(event: Event, hold: Cause, hold_until: datetime, end: datetime) -> tuple[Cause, datetime]:
    """The hold on a job that has not started, and its end."""
    detail = event.detail or {}
    match event.fact:
        case Fact.RETRYING:
            return Cause.RETRIED, event.at + timedelta(seconds=detail.get("retryAfter") or 0)
        case Fact.DELAYED | Fact.SLEEPING | Fact.AWAITING:
            return Cause.HELD, datetime.fromisoformat(detail["readyAt"]) if "readyAt" in detail else event.at
        case Fact.SPLIT:
            # Its parts are done meanwhile.
            return Cause.RAN_LONG, end
        case Fact.RECALLED | Fact.HELD:
            # The event log does not say when the queue went on; the job does, by being dispatched.
            return Cause.HELD, end
        case fact if fact in _IN_PASSING:
            return hold, hold_until
    return Cause.WAITED, event.at


def _into(event_log: Sequence[Event], place: int) -> Cause:
    """What the time after a line went into, for a job that is not waiting: the fact that ends it tells."""
    status = event_log[place].status
    ahead = (event_log[later].fact for later in range(place + 1, len(event_log)))
    telling = (
        # What has failed stays undone until a person revives it.
        event_log[place].fact
        if status == Status.FAILED
        else next((fact for fact in ahead if fact not in _IN_PASSING), "")
    )
    return _UNDONE.get(telling, Cause.RAN_LONG if status == Status.RUNNING else Cause.WAITED)


def _event_logs(connection: Connection, jobs: Sequence[int]) -> Mapping[int, list[Event]]:
    line = job_events.c
    query = (
        select(line.job_id, line.at, line.fact, line.status, line.step, line.attempt, line.who, line.detail)
        .where(line.job_id.in_(jobs))
        .order_by(line.job_id, line.id)
    )
    rows = connection.execute(query).all()
    return {
        job: list(in_full(Event(*row[1:]) for row in lines))
        for job, lines in itertools.groupby(rows, key=lambda row: int(row[0]))
    }
