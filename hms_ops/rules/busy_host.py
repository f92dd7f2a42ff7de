"""Rule: the processors of a machine have been busy for long."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "busy-host"
TITLE = "A host is busy"
DEFAULTS: Mapping[str, float] = {"for_seconds": 300, "percent": 90}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """Hosts at or above `percent` of all their cores; the subject is the host, the value its load."""
    return [
        Finding(
            NAME,
            None,
            host.cpu_percent,
            subject=host.name,
            facts={
                "cpu_percent": host.cpu_percent,
                "workers": host.workers,
                "rss_bytes": host.rss_bytes,
                "queues": list(host.queues),
            },
        )
        for host in snapshot.hosts
        if host.cpu_percent >= limits("percent", None)
    ]
