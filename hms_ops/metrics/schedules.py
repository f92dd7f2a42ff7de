"""Schedules for Prometheus: when each is due, what its runs of a day have become, which are in trouble."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.metrics_core import GaugeMetricFamily
from sqlalchemy import Connection

from hms_oms.schedules import troubles
from hms_ops.statements import statement

#: What may become of a run.
STATES = ("waiting", "started", "failed", "skipped", "missed")


def families(connection: Connection, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Every family; a schedule that is paused, or never due again, has no next run."""
    due = GaugeMetricFamily(
        "hms_schedule_next_run_in_seconds",
        "How long until a schedule is due; below 0 for what is due and not begun",
        labels=["schedule"],
    )
    runs = GaugeMetricFamily(
        "hms_schedule_runs_of_a_day",
        "The runs of a schedule that were due in the last 24 hours, by state",
        labels=["schedule", "state"],
    )
    for row in connection.exec_driver_sql(statement("measure_schedules"), {"now": now}).mappings():
        if row["next_at"] is not None:
            due.add_metric([row["name"]], (row["next_at"] - now).total_seconds())
        for state in STATES:
            runs.add_metric([row["name"], state], row[state])
    trouble = GaugeMetricFamily(
        "hms_schedule_trouble_seconds",
        "For how long a schedule has not started its work: its file is missing or refused, it failed, or"
        " no dispatcher looks at it",
        labels=["schedule", "kind"],
    )
    for held in troubles.read(connection):
        trouble.add_metric([held.name, held.kind], max(0.0, (now - held.since).total_seconds()))
    yield from (due, runs, trouble)
