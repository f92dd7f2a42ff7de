"""Which jobs were late in an incident: listed while they are open, by looking at the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, text

from hms_ops.incident_rows import Incident
from hms_ops.stages import STAGES

#: Jobs listed in one look: a small part of a second.
MOST = 5000


@dataclass(frozen=True, slots=True)
class LateJob:
    """A job that was late in an incident, and when it was listed."""

    job_id: int
    deadline: datetime
    noted_at: datetime


def note(connection: Connection, now: datetime, *, whole: bool) -> int:
    """List the late jobs of the open incident of each queue; returns how many are new.

    Each look goes on behind the deadlines that are listed already, MOST jobs at a time; with `whole` from the
    beginning, for jobs that came into the queue when they were late already.
    """
    open_ones = connection.execute(
        text(
            "select id, queue from ops.incidents"
            " where state in ('open', 'acknowledged') and rule = any(:stages) order by id"
        ),
        {"stages": list(STAGES)},
    ).all()
    return sum(_note(connection, one.id, one.queue, now, whole) for one in open_ones)


def of(connection: Connection, incident: Incident, limit: int | None = 100) -> list[LateJob]:
    """The jobs that were late in an incident, the earliest deadline first."""
    rows = connection.execute(
        text(
            "select job_id, deadline, noted_at from ops.incident_jobs where incident_id = :id"
            " order by deadline, job_id limit :limit"
        ),
        {"id": incident.id, "limit": limit},
    )
    return [LateJob(**row) for row in rows.mappings()]


def _note(connection: Connection, incident: int, queue: str, now: datetime, whole: bool) -> int:
    row = {"incident": incident, "queue": queue, "now": now, "most": MOST, "whole": whole}
    return int(connection.execute(text(_NOTE), row).scalar_one())


_NOTE = (Path(__file__).parent / "sql" / "note_late.sql").read_text(encoding="utf-8")
