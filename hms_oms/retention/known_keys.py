"""Keys of jobs that retention has removed: one who asks again with such a key is told of that job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.jobs.tickets import job_name
from hms_oms.runtime.errors import HmsError


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key, and the job that had it, which is removed; its content is not known any more."""

    id: int
    type: str
    key: str
    queue: str
    status: str
    outcome: str | None
    sla: datetime
    sla_minutes: float
    finished_at: datetime
    #: For those who read it in the place of a job.
    replaces: int | None = None


class KeyOfRemovedJob(HmsError):
    """A request has the key of a job that retention has removed, so no job was made."""

    def __init__(self, known: KnownKey) -> None:
        self.known = known
        super().__init__(f"{job_name(known.id)} had the key {known.key!r} and was removed by retention")


def find(connection: Connection, job_type: str, keys: Sequence[str]) -> dict[str, KnownKey]:
    """Those of the keys whose jobs are removed, by key."""
    rows = connection.execute(
        text(
            "select job_id as id, type, key, queue, status, outcome, sla, sla_minutes, finished_at"
            " from oms.known_keys"
            " where type = :type and key = any(:keys) and removed_at is not null"
        ),
        {"type": job_type, "keys": list(keys)},
    )
    return {row.key: KnownKey(**row._mapping) for row in rows}
