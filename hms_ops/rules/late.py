"""Rule: open jobs are past their deadline."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding
from hms_ops.forecast.cause import document
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "late"
TITLE = "Jobs are late"
DEFAULTS: Mapping[str, float] = {}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:  # noqa: ARG001 a missed deadline has no threshold
    """Queues with late jobs, paused ones too; the value is by how many seconds the worst one is late."""
    return [
        Finding(
            NAME,
            queue.name,
            (snapshot.now - queue.late_since).total_seconds(),
            late_jobs=queue.late,
            facts={
                "late": queue.late,
                "late_since": queue.late_since.isoformat(),
                "waiting": queue.waiting,
                "running": queue.running,
                "sla_minutes": queue.sla_minutes,
                "paused": queue.paused_at is not None,
                "cause": document(queue.cause),
            },
        )
        for queue in snapshot.queues
        if queue.late and queue.late_since is not None
    ]
