"""Rule: a queue has work and workers, and finishes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.rules.limits import Limits

NAME = "stalled"
TITLE = "A queue stands still"
#: No step was finished for so many `minutes`. A queue whose steps take longer than that needs more.
DEFAULTS: Mapping[str, float] = {"for_seconds": 10, "minutes": 5}


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """Queues that stand still; the value is for how many seconds.

    The clock starts with the last step finished, with the oldest work that waits, or with the end of a pause
    or of a time without workers, whichever is latest, so work that may just have begun is given its time.
    """
    findings = []
    for queue in snapshot.queues:
        since = max(_since(queue), default=None)
        if since is None or not queue.able:
            continue
        stood = snapshot.now - since
        if stood > timedelta(minutes=limits("minutes", queue.name)):
            facts = {
                "since": since.isoformat(),
                "waiting": queue.waiting,
                "queued": queue.queued,
                "running": queue.running,
                "workers": queue.workers,
            }
            findings.append(Finding(NAME, queue.name, stood.total_seconds(), facts=facts))
    return findings


def _since(queue: QueueSnapshot) -> list[datetime]:
    waits = [moment for moment in (queue.oldest_waiting, queue.oldest_queued) if moment is not None]
    begun = [moment for moment in (queue.last_finished, queue.able_since) if moment is not None]
    return [min(waits), *begun] if waits else []
