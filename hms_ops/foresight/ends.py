"""When open jobs end if nothing changes, and which of them are at risk, as the ledger has them now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from hms_oms.database import array_literals, health
from hms_ops.foresight import workforce
from hms_ops.foresight.workforce import Workforce
from hms_ops.statements import statement


class End(NamedTuple):
    """When a job is predicted to end (None: never, or nobody can tell), and whether that is at risk.

    At risk is what has its deadline ahead, and was given up or will miss it.
    """

    job: int
    queue: str
    deadline: datetime
    ends_at: datetime | None
    at_risk: bool


def of_jobs(connection: Connection, jobs: Iterable[tuple[int, str]]) -> Mapping[int, End]:
    """The predicted ends of jobs, each given with its queue; without those of which none is predicted."""
    given = dict(jobs)
    if not given:
        return {}
    now = health.clock(connection)
    workforces = workforce.of_queues(connection, now)
    known = [workforces[queue] for queue in sorted(set(given.values())) if queue in workforces]
    return {end.job: end for end in _read(connection, known, list(given))}


def at_risk(connection: Connection, queue: str | None = None) -> list[End]:
    """The open jobs that are at risk, of all queues or of one."""
    now = health.clock(connection)
    return _read(connection, workforce.of_queues(connection, now, queue).values(), None)


def _read(connection: Connection, workforces: Collection[Workforce], jobs: Sequence[int] | None) -> list[End]:
    given = {
        "queues": array_literals.literal([queue.queue for queue in workforces]),
        "slots": array_literals.literal([queue.slots for queue in workforces]),
        "begins": array_literals.literal([queue.begins_at.timestamp() for queue in workforces]),
        "means": array_literals.literal([queue.mean for queue in workforces]),
        "spacings": array_literals.literal([queue.spacing for queue in workforces]),
        "jobs": None if jobs is None else array_literals.literal(jobs),
    }
    return [End(*row) for row in connection.exec_driver_sql(statement("predicted_ends"), given)]
