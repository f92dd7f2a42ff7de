"""The past of a queue: all that its charts show, by steps of time, in one statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from hms_ops.statements import statement

#: How far apart samples are, in seconds.
MINUTE = 60
#: What is read: metrics with their subjects, '' for none or for all of them together.
OPEN, RUNNING = ("queue.length", ""), ("queue.length", "running")
LATE, WAIT, WAIT_P95 = ("sla.breached", ""), ("queue.waitTime", ""), ("queue.waitTime.p95", "")
RATE = ("queue.throughput.minute", "")
READ = (OPEN, RUNNING, LATE, WAIT, WAIT_P95, RATE)
_STATES = ("backlog", "delayed", "window", "running", "held")


@dataclass(frozen=True, slots=True)
class Value:
    """A metric over a step of time: the mean of its minutes, the least and the most."""

    mean: float
    least: float
    most: float


def read(
    connection: Connection, queue: str, since: datetime, until: datetime, step: int
) -> Sequence[tuple[datetime, Mapping[tuple[str, str], Value]]]:
    """Steps of so many seconds from `since`, at which one begins, until before `until`, oldest first.

    Each has the metrics of READ that were measured in it; a step without any is missing.
    """
    rows = connection.exec_driver_sql(
        statement("queue_past"),
        {
            "queue": queue,
            "since": since,
            "until": until,
            "step": step,
            "names": sorted({name for name, _ in READ}),
            "subjects": ["", *_STATES],
        },
    )
    steps: dict[datetime, dict[tuple[str, str], Value]] = {}
    for row in rows.mappings():
        values = steps.setdefault(row["at"], {})
        if (row["name"], row["subject"]) in READ:
            values[row["name"], row["subject"]] = Value(row["mean"], row["least"], row["most"])
    return list(steps.items())


def start_of(moment: datetime, step: int) -> datetime:
    """When the step of a moment began."""
    seconds = moment.timestamp() // step * step
    return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
