"""Rule: steps fail more often than they should."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding, Key
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "failing"
TITLE = "Steps fail"
#: Fewer than `percent` of the steps of the last five minutes succeeded, of at least so many `steps`.
DEFAULTS: Mapping[str, float] = {"for_seconds": 30, "percent": 80, "steps": 20}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """Queues with a low rate of success; the value is the percentage that failed."""
    findings = []
    for queue in snapshot.queues:
        if queue.finished is None or queue.failed is None:
            continue
        steps = queue.finished + queue.failed
        if steps < max(1, limits("steps", queue.name)):
            continue
        succeeded = 100 * queue.finished / steps
        if succeeded < limits("percent", queue.name):
            facts = {"succeeded_percent": succeeded, "failed": queue.failed, "steps": steps}
            findings.append(Finding(NAME, queue.name, 100 - succeeded, facts=facts))
    return findings


def unknown(snapshot: Snapshot) -> list[Key]:
    """Queues whose last five minutes have not been read yet."""
    return [
        (NAME, queue.name, None)
        for queue in snapshot.queues
        if queue.finished is None or queue.failed is None
    ]
