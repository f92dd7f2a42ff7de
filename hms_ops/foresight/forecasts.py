"""The predicted ends of open jobs, as one process has foreseen them lately."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.database import health
from hms_ops.foresight import ends
from hms_ops.foresight.ends import End, QueueEnds
from hms_ops.foresight.kept import Kept


class Forecasts:
    """The predicted ends of all queues, kept for a while."""

    def __init__(self) -> None:
        self._kept: Kept[QueueEnds] = Kept()

    def of_jobs(self, connection: Connection, jobs: Iterable[tuple[int, str]]) -> Mapping[int, End]:
        """The predicted ends of open jobs, each given with its queue; without those of which there is none.

        A job that waits for the parts of its step ends with the last of them; one of them of which it cannot
        be told leaves the end of the job open.
        """
        given = dict(jobs)
        known = {job: end for job, queue in given.items() if (end := self._of(connection, job, queue))}
        others = {"jobs": [job for job in given if job not in known]}
        parts: defaultdict[tuple[int, datetime], list[End | None]] = defaultdict(list)
        for row in connection.execute(text(_PARTS), others) if others["jobs"] else ():
            parts[row.whole, row.deadline].append(self._of(connection, row.id, row.queue))
        for (job, deadline), of_parts in parts.items():
            known[job] = _last(job, deadline, of_parts, health.clock(connection))
        return known

    def at_risk(self, connection: Connection) -> list[End]:
        """The open jobs that are at risk; one in parts with the last end of those that are."""
        by_job: dict[int, End] = {}
        for queue in connection.scalars(text(_AT_WORK)).all():
            for end in self._of_queue(connection, queue).risks:
                other = by_job.get(end.job)
                by_job[end.job] = end if other is None or _is_later(end, other) else other
        return list(by_job.values())

    def _of(self, connection: Connection, job: int, queue: str) -> End | None:
        return self._of_queue(connection, queue).of(job)

    def _of_queue(self, connection: Connection, queue: str) -> QueueEnds:
        return self._kept.get(queue, lambda: ends.read(connection, queue))


def _last(job: int, deadline: datetime, parts: Sequence[End | None], now: datetime) -> End:
    """The end of a job that waits for these parts; None of one of which nothing is predicted."""
    moments = [None if part is None else part.ends_at for part in parts]
    known = [moment for moment in moments if moment is not None]
    at_risk = any(part is not None and part.at_risk for part in parts)
    as_of = min((part.as_of for part in parts if part is not None), default=now)
    return End(job, deadline, max(known) if len(known) == len(parts) else None, at_risk, as_of)


def _is_later(end: End, other: End) -> bool:
    """Whether an end comes after another one; what never ends is the last."""
    return other.ends_at is not None and (end.ends_at is None or end.ends_at > other.ends_at)


_AT_WORK = """
select name from oms.queues as queue
where exists (select from oms.jobs where jobs.queue = queue.name and finished_at is null and not agent)
"""

_PARTS = """
select part.id, part.queue, part.parent_id as whole, job.sla as deadline
from oms.jobs as part
join oms.jobs as job on job.id = part.parent_id
where part.parent_id = any(cast(:jobs as bigint[])) and part.part is not null and part.finished_at is null
"""
