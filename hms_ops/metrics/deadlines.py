"""The earliest deadline of each queue and how many have passed: asked at every look.

While somebody keeps dead rows from being removed, to find the earliest deadline means to pass those of all
jobs that have ended since. If that is slow, most looks begin at the deadline that the last one has found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping

from hms_ops.metrics.counts import Thrift
from hms_ops.statements import statement

#: Late jobs are counted at every look up to this many; beyond, the job counter counts them.
MOST_LATE = 5000
#: A costly look from the beginning takes this share of the time.
SHARE = 0.05


class Deadlines:
    """One look after the other."""

    def __init__(self) -> None:
        self._thrift = Thrift(SHARE)
        self._from: dict[str, datetime] = {}

    def look(self, connection: Connection, now: datetime) -> Sequence[RowMapping]:
        """Every queue with its limits, its earliest deadline and how many have passed at `now`."""
        if not self._thrift.due:
            return self._read(connection, now, self._from)
        with self._thrift.spending():
            return self._read(connection, now, {})

    def _read(
        self, connection: Connection, now: datetime, since: dict[str, datetime]
    ) -> Sequence[RowMapping]:
        asked = {
            "now": now,
            "most": MOST_LATE,
            "queues": list(since),
            "deadlines": list(since.values()),
        }
        rows = connection.exec_driver_sql(statement("measure_queues"), asked).mappings().all()
        # Where nothing is open, what comes is due later.
        self._from = {row["name"]: row["next_sla"] or now for row in rows}
        return rows
