"""SLA report: on-time shares and lateness, by queue, by day and in all; read from the ledger.

A job counts in the queue in which it ended (the queue of its last step, whose people had it last) and at the
moment when it ended. An open job past its deadline counts in the queue where it stands, and now: it can end
no earlier. So each job counts once, however a time is cut into spans. What counts as kept is said in
`hms_oms.jobs.on_time`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.jobs.on_time import Counts
from hms_oms.runtime.clock import midnight
from hms_ops.documents.reports import Bucket, SlaCounts, SlaReport
from hms_ops.reports import forecast_record, misses
from hms_ops.statements import statement

#: The upper bounds of the buckets of lateness, in seconds; the last bucket has none.
BOUNDS = (60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_NONE = SlaCounts.of(Counts(), lateness=None)


def week(moment: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The ISO week of `moment` in a time zone: from Monday's start until the next Monday's."""
    today = moment.astimezone(zone).date()
    monday = today - timedelta(days=today.weekday())
    return midnight(monday, zone), midnight(monday + timedelta(days=7), zone)


def report(
    connection: Connection, since: datetime, until: datetime, zone: tzinfo, queue: str | None = None
) -> SlaReport:
    """Read the SLA report of a span, of one queue or (None) of all.

    Its days are those of `zone`, and every day of the span is there.
    """
    rows, days = _counts(connection, since, until, zone, queue)
    records = forecast_record.read(connection, since, until)
    return SlaReport(
        since,
        until,
        str(zone),
        whole=rows.get((None, None), _NONE),
        queues={name: counts for (name, _), counts in rows.items() if name is not None},
        days=days,
        worst=tuple(misses.worst(connection, since, until, queue=queue)),
        forecasts={name: record for name, record in records.items() if queue in (None, name)},
    )


def by_day(connection: Connection, queue: str | None, days: int, zone: tzinfo) -> Mapping[date, SlaCounts]:
    """The last `days` days of a queue (None: of all), today among them, oldest first."""
    today = health.clock(connection).astimezone(zone).date()
    since, until = (midnight(today + timedelta(days=ahead), zone) for ahead in (1 - days, 1))
    return _counts(connection, since, until, zone, queue)[1]


def lateness(connection: Connection, queue: str | None, since: datetime, until: datetime) -> Sequence[Bucket]:
    """Read the lateness of the misses of a span in buckets, for a queue or (None) for all."""
    rows = connection.exec_driver_sql(
        statement("sla_report_lateness"),
        {"queue": queue, "since": since, "until": until, "bounds": list(BOUNDS)},
    )
    jobs = {row.bucket: row.jobs for row in rows}
    return [Bucket(below, jobs.get(place, 0)) for place, below in enumerate((*BOUNDS, None))]


def _counts(
    connection: Connection, since: datetime, until: datetime, zone: tzinfo, queue: str | None
) -> tuple[Mapping[tuple[str | None, int | None], SlaCounts], Mapping[date, SlaCounts]]:
    """Count by queue and by place of a day (None: all of them), and by day."""
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
    counted = {
        (row.queue, row.day): SlaCounts.of(
            Counts(row.on_time, row.late, row.failed, row.open_late),
            lateness=None if row.percentiles is None else tuple(row.percentiles),
        )
        for row in rows
    }
    return counted, {day: counted.get((None, place), _NONE) for place, day in enumerate(days, start=1)}
