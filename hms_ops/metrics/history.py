"""Samples: the history of metrics, one value a minute, kept for some months; the writer of ops.samples."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_ops.documents.reports import STALE_SECONDS, Point
from hms_ops.metrics import catalogue, metrics

#: How long samples are kept unless a setting says otherwise, in days.
DAYS = 90
#: The most samples that one minute removes: more than it adds, and a matter of milliseconds.
BITE = 5000

_KEEP = """
insert into ops.samples (at, name, queue, subject, value)
select date_trunc('minute', cast(:now as timestamptz)), name, queue, subject, value
from ops.metrics
where value is not null and at > :fresh and name = any(:names)
    -- All samples of a minute are written by one statement: where this one is, all are.
    and not exists (
        select from ops.samples
        where name = 'floor.workers' and queue = '' and subject = ''
            and at = date_trunc('minute', cast(:now as timestamptz))
    )
on conflict do nothing
"""
_PRUNE = """
delete from ops.samples
where ctid = any(array(select ctid from ops.samples where at < :before limit :bite))
"""
_HISTORY = """
select
    to_timestamp(floor(date_part('epoch', at) / :step) * :step) as at,
    nullif(subject, '') as subject,
    avg(value) as value,
    min(value) as least,
    max(value) as most
from ops.samples
where name = :name and queue = :queue and at >= :since and at < :until
    and (cast(:subjects as text[]) is null or subject = any(:subjects))
group by 1, 2
order by 1, 2
"""


_TOGETHER = """
select
    to_timestamp(floor(date_part('epoch', at) / :step) * :step) as at,
    null as subject,
    avg(value) as value,
    min(value) as least,
    max(value) as most
from (
    select at, sum(value) as value
    from ops.samples
    where name = :name and queue = :queue and at >= :since and at < :until
        and (cast(:subjects as text[]) is null or subject = any(:subjects))
    group by at
) as sums
group by 1
order by 1
"""


def keep(connection: Connection, now: datetime, days: int = DAYS) -> bool:
    """Add the newest values to the history, once a minute, and remove what is older than `days`.

    Returns whether this minute was written now. Stale values and those without data leave a gap.
    """
    kept = connection.execute(
        text(_KEEP),
        {
            "now": now,
            "fresh": now - timedelta(seconds=STALE_SECONDS),
            "names": list(catalogue.names_kept()),
        },
    )
    if not kept.rowcount:
        return False
    connection.execute(text(_PRUNE), {"before": now - timedelta(days=days), "bite": BITE})
    metrics.forget(connection, now)
    return True


def history(
    connection: Connection,
    name: str,
    queue: str | None,
    since: datetime,
    until: datetime,
    step_seconds: int,
    subjects: Sequence[str] | None = None,
    *,
    together: bool = False,
) -> Sequence[Point]:
    """A metric from `since` until before `until`, in steps of so many seconds, of at least a minute.

    Steps without data are missing. Who names the subjects ('' is none) finds them by the index. `together`
    adds up the subjects of each minute, so that the most and the least are those of the sum.
    """
    rows = connection.execute(
        text(_TOGETHER if together else _HISTORY),
        {
            "name": name,
            "queue": queue or "",
            "since": since,
            "until": until,
            "step": float(max(step_seconds, 60)),
            "subjects": None if subjects is None else list(subjects),
        },
    )
    return [Point(**row) for row in rows.mappings()]
