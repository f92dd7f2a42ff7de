"""Rule: a schedule has not started its work."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "schedule"
TITLE = "A schedule has not started its work"
#: A file that comes in the last moment is still being taken.
DEFAULTS: Mapping[str, float] = {"for_seconds": 20}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:  # noqa: ARG001 -- each has its own bound
    """Schedules whose file is missing or refused, whose run failed, or that nobody runs; since how long."""
    return [
        Finding(
            NAME,
            trouble.queue,
            max(0.0, (snapshot.now - trouble.since).total_seconds()),
            trouble.name,
            facts={
                "schedule": trouble.name,
                "kind": trouble.kind,
                "since": trouble.since.isoformat(),
                "due_at": trouble.due_at.isoformat(),
                "note": trouble.note,
            },
        )
        for trouble in snapshot.schedules
    ]
