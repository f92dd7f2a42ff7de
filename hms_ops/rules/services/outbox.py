"""Rule: texts do not leave the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "outbox"
TITLE = "Texts are not sent"
DEFAULTS: Mapping[str, float] = {"minutes": 2}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """The outbox, if the oldest text that may go is older than `minutes`; the value is its age in seconds."""
    if snapshot.unsent_since is None:
        return []
    age = snapshot.now - snapshot.unsent_since
    if age <= timedelta(minutes=limits("minutes", None)):
        return []
    facts = {"unsent": snapshot.unsent, "unsent_since": snapshot.unsent_since.isoformat()}
    return [Finding(NAME, None, age.total_seconds(), facts=facts)]
