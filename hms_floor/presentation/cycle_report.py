"""The sums of a cycle, as the API answers them and `hms cycle report --json` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hms_oms.cycles.cycles import Report


def sums(found: Report, outcomes: Sequence[str]) -> dict[str, Any]:
    """What came of a cycle; `outcomes` are those that the job type declares."""
    document: dict[str, Any] = {
        "batch": found.batch.id,
        "accepted": found.batch.accepted,
        "duplicates": found.batch.duplicates,
        "differing": found.batch.differing,
        "refused": found.batch.refused,
        "done": found.progress.done,
        "failed": found.progress.failed,
        **{outcome: found.outcomes.get(outcome, 0) for outcome in outcomes},
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
