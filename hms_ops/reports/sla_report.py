"""How deadlines were met: on-time shares and lateness, by queue, by day and in all; read from the ledger.

A job counts in the queue in which it ended (the queue of its last step, whose people had it last) and at the
moment when it ended. An open job past its deadline counts in the queue where it stands, and now: it can end
no earlier. So each job counts once, however a time is cut into spans. What counts as kept is said in
`hms_oms.jobs.on_time`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.jobs.on_time import Counts
from hms_oms.runtime.clock import midnight
from hms_ops.documents.reports import Bucket
from hms_ops.statements import statement

#: The upper bounds of the buckets of lateness, in seconds; the last bucket has none.
BOUNDS = (60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)


@dataclass(frozen=True, slots=True)
class SlaCounts(Counts):
    """Counted jobs, and how late they were.

    `lateness` of those that ended or stand past their deadline, at the 50th and the 95th percentile, in
    seconds; None where there is none.
    """

    lateness: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class SlaReport:
    """SLA report from `since` until before `until`; `days` has every day of the span."""

    since: datetime
    until: datetime
    whole: SlaCounts
    queues: Mapping[str, SlaCounts]
    days: Mapping[date, SlaCounts]


def week(moment: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The ISO week of `moment` in a time zone: from Monday's start until the next Monday's."""
    today = moment.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    return midnight(monday, zone), midnight(monday + timedelta(days=7), zone)


def report(connection: Connection, since: datetime, until: datetime, zone: tzinfo) -> SlaReport:
    """Read the SLA report of a span; its days are those of `zone`."""
    return _report(connection, since, until, zone, None)


def by_day(connection: Connection, queue: str | None, days: int, zone: tzinfo) -> Mapping[date, SlaCounts]:
    """The last `days` days of a queue (None: of all), today among them, oldest first."""
    today = health.clock(connection).astimezone(zone).date()
    since, until = (midnight(today + timedelta(days=ahead), zone) for ahead in (1 - days, 1))
    return _report(connection, since, until, zone, queue).days


def lateness(connection: Connection, queue: str | None, since: datetime, until: datetime) -> Sequence[Bucket]:
    """Read the lateness of the misses of a span in buckets, for a queue or (None) for all."""
    rows = connection.exec_driver_sql(
        statement("sla_report_lateness"),
        {"queue": queue, "since": since, "until": until, "bounds": list(BOUNDS)},
    )
    jobs = {row.bucket: row.jobs for row in rows}
    return [Bucket(below, jobs.get(place, 0)) for place, below in enumerate((*BOUNDS, None))]


def _report(
    connection: Connection, since: datetime, until: datetime, zone: tzinfo, queue: str | None
) -> SlaReport:
    first = since.astimezone(zone).date()
    every = (first + timedelta(days=ahead) for ahead in itertools.count())
    days = list(itertools.takewhile(lambda day: midnight(day, zone) < until, every))
    rows = connection.exec_driver_sql(
        statement("sla_report"),
        {
            "queue": queue,
            "since": since,
            "until": until,
            "midnights": [midnight(day, zone) for day in days],
        },
    )
    counts: dict[tuple[str | None, int | None], SlaCounts] = {
        (row.queue, row.day): SlaCounts(
            row.on_time,
            row.late,
            row.failed,
            row.open_late,
            None if row.percentiles is None else (row.percentiles[0], row.percentiles[1]),
        )
        for row in rows
    }
    return SlaReport(
        since,
        until,
        whole=counts.get((None, None), SlaCounts()),
        queues={name: counts for (name, _), counts in counts.items() if name is not None},
        days={day: counts.get((None, place), SlaCounts()) for place, day in enumerate(days, start=1)},
    )
