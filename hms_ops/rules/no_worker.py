"""Rule: there is work and no worker for it."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "no-worker"
TITLE = "No worker for a queue with work"
#: Workers that are started again are back within a few seconds.
DEFAULTS: Mapping[str, float] = {"for_seconds": 15}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:  # noqa: ARG001 none is none
    """Queues with work that may be done and no live worker; the value is how many jobs there are.

    Paused queues need no worker, nor do those whose steps belong to agents. A running job without a live
    worker has lost its own.
    """
    return [
        Finding(
            NAME,
            queue.name,
            jobs,
            facts={"jobs": jobs, "next_sla": queue.next_sla and queue.next_sla.isoformat()},
        )
        for queue in snapshot.queues
        if queue.workers == 0
        and queue.paused_at is None
        and not queue.agent_only
        and (jobs := queue.waiting + queue.queued + queue.running)
    ]
