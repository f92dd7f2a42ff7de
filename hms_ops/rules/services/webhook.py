"""Rule: a webhook does not take its events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "webhook"
TITLE = "A webhook takes no events"
DEFAULTS: Mapping[str, float] = {"minutes": 15}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """Webhooks that have failed for `minutes`, want nothing more, or for which events were given up.

    The value is for how many seconds it fails.
    """
    findings = []
    for webhook in snapshot.webhooks:
        seconds = _age(snapshot.now, webhook.failing_since)
        lasting = seconds > timedelta(minutes=limits("minutes", None)).total_seconds()
        if lasting or webhook.gone or webhook.given_up:
            facts = {"webhook": webhook.name, "given_up": webhook.given_up, "gone": webhook.gone}
            findings.append(
                Finding(NAME, None, seconds, webhook.name, facts={**facts, "fault": webhook.fault})
            )
    return findings


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else (now - since).total_seconds()
