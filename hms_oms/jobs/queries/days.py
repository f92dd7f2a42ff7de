"""A day of a queue, to be simulated: which jobs came, until when they were due, and how long they took."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from hms_oms.database import statements
from hms_oms.order.arrivals import Arrivals
from hms_oms.order.backlog import Job


def read(connection: Connection, queue: str, day: datetime) -> Arrivals:
    """The jobs that a queue accepted on the day from `day` on; what was never worked on is passed over."""
    span = {"queue": queue, "since": day, "until": day + timedelta(days=1)}
    rows = statements.run(connection, "day_of_queue", span)
    jobs = [
        Job(row["id"], row["arrival"], row["seconds"], row["deadline"], row["cell"], row["must"])
        for row in rows
        if row["seconds"]
    ]
    return Arrivals(jobs, len(rows) - len(jobs))
