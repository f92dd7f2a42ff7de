"""The record of forecasts: what was said of jobs, deadlines and breaches, held against what came."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from hms_ops.documents.reports import ForecastRecord
from hms_ops.statements import statement

#: Incidents of these rules are about deadlines of a queue.
_STAGES = ["late", "forecast", "slow", "no-worker", "stalled"]


def read(connection: Connection, since: datetime, until: datetime) -> Mapping[str, ForecastRecord]:
    """The record of each queue of which something was said from `since` until before `until`, by name."""
    span = {"since": since, "until": until}
    settled = {
        row["queue"]: row
        for row in connection.exec_driver_sql(statement("settled_forecasts"), span).mappings()
    }
    breaches = {
        row["queue"]: row
        for row in connection.exec_driver_sql(
            statement("announced_breaches"), {**span, "stages": _STAGES}
        ).mappings()
    }
    records = {}
    for queue in sorted({*settled, *breaches}):
        values = {**settled.get(queue, {}), **breaches.get(queue, {})}
        del values["queue"]
        if values.get("latest_ends") or values.get("breaches") or values.get("alarms"):
            records[queue] = ForecastRecord(**values)
    return records
