"""When the jobs of a queue end if nothing changes, and which of them are at risk, by the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import compress
from typing import NamedTuple

from sqlalchemy import Connection

from hms_oms.database import health
from hms_ops.foresight import workforce
from hms_ops.statements import statement


class End(NamedTuple):
    """When a job is predicted to end (None: never, or nobody can tell), and whether that is at risk.

    At risk is what has its deadline ahead, and was given up or will miss it. It was foreseen at `as_of`.
    """

    job: int
    deadline: datetime
    ends_at: datetime | None
    at_risk: bool
    as_of: datetime


@dataclass(frozen=True, eq=False)
class QueueEnds:
    """The predicted ends of the jobs of a queue, in columns; `wholes` are the jobs whose parts they are."""

    as_of: datetime
    jobs: Sequence[int] = ()
    ends: Sequence[float | None] = ()
    deadlines: Sequence[float] = ()
    at_risk: Sequence[bool] = ()
    wholes: Mapping[int, int] | None = None

    def of(self, job: int) -> End | None:
        """The predicted end of a job; None if it is not in line, or has come since."""
        place = self._places.get(job)
        if place is None:
            return None
        end = self.ends[place]
        ends_at = None if end is None else datetime.fromtimestamp(end, UTC)
        deadline = datetime.fromtimestamp(self.deadlines[place], UTC)
        return End(job, deadline, ends_at, self.at_risk[place], self.as_of)

    @cached_property
    def risks(self) -> Sequence[End]:
        """Those that are at risk; a part stands for its job."""
        wholes = self.wholes or {}
        ends = filter(None, map(self.of, compress(self.jobs, self.at_risk)))
        return [end._replace(job=wholes[end.job]) if end.job in wholes else end for end in ends]

    @cached_property
    def _places(self) -> Mapping[int, int]:
        return {job: place for place, job in enumerate(self.jobs)}


def read(connection: Connection, queue: str) -> QueueEnds:
    """Foresee a queue; one that nobody knows has no jobs."""
    now = health.clock(connection)
    there = workforce.of_queues(connection, now, queue).get(queue)
    if there is None:
        return QueueEnds(now)
    given = {
        "queue": queue,
        "slots": there.slots,
        "begins": there.begins_at.timestamp(),
        "mean": there.mean,
        "spacing": there.spacing,
    }
    row = connection.exec_driver_sql(statement("predicted_ends"), given).one()
    wholes = dict(zip(row.parts, row.wholes, strict=True))
    return QueueEnds(now, row.jobs, row.ends, row.deadlines, row.at_risk, wholes)
