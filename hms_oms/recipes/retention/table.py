"""The table `[retention]` of a recipe: how long what a finished job leaves behind is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from hms_oms.runtime import clock

#: What is part of a job, and goes with it at the latest.
PARTS = ("events", "messages", "attempts", "personal_data")
#: The pages count jobs that ended yesterday one by one.
LEAST = timedelta(days=2)


def faults(table: Mapping[str, Any]) -> Iterator[str]:
    """Every fault of the table, each by its field."""
    read: dict[str, timedelta | None] = {}
    for name, written in table.items():
        try:
            read[name] = clock.read_duration(written)
        except ValueError as error:
            yield f"retention.{name}: {error}"
    if (jobs := read.get("jobs")) is not None:
        if jobs < LEAST:
            yield f"retention.jobs: {table['jobs']} is too short: jobs are kept for {LEAST.days}d at least"
        for name in PARTS:
            if name in read and is_longer(read[name], jobs):
                yield f"retention.{name}: {table[name]} is longer than retention.jobs, {table['jobs']}"
    if "keys" in read and "jobs" in read and is_longer(read["jobs"], read["keys"]):
        yield f"retention.keys: {table['keys']} is shorter than retention.jobs, {table['jobs']}"


def is_longer(duration: timedelta | None, other: timedelta | None) -> bool:
    """Whether one duration is longer than another; None, which is never over, is longer than any."""
    return other is not None and (duration is None or duration > other)
