"""Rule: something keeps PostgreSQL from removing dead rows, so the ledger grows and becomes slower."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "held-horizon"
TITLE = "Dead rows cannot be removed"
#: A report that takes some minutes is no trouble.
DEFAULTS: Mapping[str, float] = {"minutes": 15}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """What has held the horizon for longer than `minutes`; the value is for how many seconds."""
    holder = snapshot.horizon
    if holder is None:
        return []
    seconds = (snapshot.now - holder.since).total_seconds()
    if seconds <= 60 * limits("minutes", None):
        return []
    facts = {
        "kind": holder.kind,
        "name": holder.name,
        "program": holder.program,
        "owner": holder.owner,
        "since": holder.since.isoformat(),
    }
    return [Finding(NAME, None, seconds, facts=facts)]
