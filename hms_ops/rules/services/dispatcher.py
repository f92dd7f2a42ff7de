"""Rule: no dispatcher runs, so ready jobs are not started."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "dispatcher"
TITLE = "No dispatcher is at work"
#: A stand-by takes over within some seconds.
DEFAULTS: Mapping[str, float] = {"for_seconds": 10, "seconds": 10}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """The dispatcher, if jobs wait and it has been silent for `seconds`; the value is for how long."""
    state = snapshot.broker
    jobs = sum(queue.waiting for queue in snapshot.queues if queue.paused_at is None and not queue.agent_only)
    if state is None or not jobs or state.age <= limits("seconds", None):
        return []
    return [Finding(NAME, None, state.age, facts={"jobs": jobs, "seconds": state.age})]
