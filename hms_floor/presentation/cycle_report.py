"""The sums of a cycle, as the API answers them and `hms cycle report --json` prints them."""

from __future__ import annotations

from typing import Any

from hms_oms.cycles.cycles import Report


def sums(found: Report) -> dict[str, Any]:
    """What came of a cycle."""
    document: dict[str, Any] = {
        "batch": found.batch.id,
        "accepted": found.batch.accepted,
        "duplicates": found.batch.duplicates,
        "differing": found.batch.differing,
        "refused": found.batch.refused,
        "done": found.progress.done,
        "failed": found.progress.failed,
        "assigned": found.outcomes.get("assigned", 0),
        "rejected": found.outcomes.get("rejected", 0),
        "reasons": dict(found.reasons),
        "onTime": found.promises.on_time,
        "late": found.promises.late,
        "openLate": found.promises.open_late,
        "onTimeShareOfEnded": found.promises.share_of_ended,
        "onTimeShareOfDue": found.promises.share_of_due,
        "seconds": round(found.elapsed.total_seconds(), 3),
        "jobsPerSecond": round(found.jobs_per_second, 1),
        "texts": found.texts.written,
    }
    extra = {"cancelled": found.progress.cancelled, "open": found.progress.open, "lost": found.lost}
    return document | {name: number for name, number in extra.items() if number}
