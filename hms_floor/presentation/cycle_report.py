"""The sums of a cycle, as the API answers them and `hms cycle report --json` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hms_oms.cycles.cycles import Report


def sums(report: Report, outcomes: Sequence[str]) -> dict[str, Any]:
    """What came of a cycle; `outcomes` are those that the job type declares.

    Each of these is a field as well, unless a field of every report has its name.
    """
    declared = {outcome: report.outcomes.get(outcome, 0) for outcome in outcomes}
    document: dict[str, Any] = {
        "batch": report.batch.id,
        "accepted": report.batch.accepted,
        "duplicates": report.batch.duplicates,
        "differing": report.batch.differing,
        "refused": report.batch.refused,
        "done": report.progress.done,
        "failed": report.progress.failed,
        "outcomes": {**declared, **report.outcomes},
        "reasons": dict(report.reasons),
        "onTime": report.deadlines.on_time,
        "late": report.deadlines.late,
        "openLate": report.deadlines.open_late,
        "onTimeShareOfEnded": report.deadlines.share_of_ended,
        "onTimeShareOfDue": report.deadlines.share_of_due,
        "seconds": round(report.elapsed.total_seconds(), 3),
        "jobsPerSecond": round(report.jobs_per_second, 1),
        "texts": report.texts.written,
    }
    extra = {"cancelled": report.progress.cancelled, "open": report.progress.open, "lost": report.lost}
    document |= {name: number for name, number in extra.items() if number}
    return document | {name: number for name, number in declared.items() if name not in document}
