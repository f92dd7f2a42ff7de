"""Rule: Redis takes no writes, so no job can be dispatched."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.heartbeats import STALE_SECONDS
from hms_ops.rules.limits import Limits

NAME = "redis"
TITLE = "Redis refuses writes"
#: A restart is over within a few seconds.
DEFAULTS: Mapping[str, float] = {"for_seconds": 10}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:  # noqa: ARG001 a refusal is a refusal
    """Redis, if the dispatcher reports that it refuses; the value is for how many seconds."""
    state = snapshot.broker
    if state is None or state.refused_since is None or state.age > STALE_SECONDS:
        return []
    seconds = max(0.0, (snapshot.now - state.refused_since).total_seconds())
    facts = {"words": state.words, "kind": state.kind, "since": state.refused_since.isoformat()}
    return [Finding(NAME, None, seconds, facts=facts)]
